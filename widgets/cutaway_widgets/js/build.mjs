// Makes ../static/cutaway.js and ../static/cutaway.css; with --check compares them instead.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = `${here}../static/`;
const limit = 100_000;

const result = await build({
  absWorkingDir: here,
  entryPoints: { "cutaway.js": "src/index.js", "cutaway.css": "src/style.css" },
  entryNames: "[name]",
  outdir: out,
  outExtension: {},
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  write: false,
});

let bad = 0;
for (const file of result.outputFiles) {
  const name = file.path.endsWith(".css") ? "cutaway.css" : "cutaway.js";
  const exported = name.endsWith(".js") && /export\{([^}]*)\}/.exec(file.text)?.[1];
  if (exported && !/^\w+ as default$/.test(exported)) {
    // A named export `render` makes the host drop `initialize` without a word.
    console.error(`${name} must export only a default, got ${exported}`);
    bad = 1;
  }
  if (file.text.length > limit) {
    console.error(`${name} must be below ${limit} bytes, got ${file.text.length}`);
    bad = 1;
  }
  if (process.argv.includes("--check")) {
    if (readFileSync(out + name, "utf8") !== file.text) {
      console.error(`static/${name} differs from a fresh build; run: npm run build`);
      bad = 1;
    }
  } else if (!bad) {
    writeFileSync(out + name, file.text);
    console.log(`static/${name}: ${file.text.length} bytes`);
  }
}
process.exit(bad);
