// Makes what lies in ../static of the sources; with --check compares it instead.
// cutaway.js, .css: for notebooks and dashboards. page.js, .css: the same for saved pages, inlined there.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = `${here}../static/`;
const limit = 100_000; // bytes, as a server sends them
const common = {
  absWorkingDir: here,
  entryNames: "[name]",
  outdir: out,
  bundle: true,
  minify: true,
  target: "es2022",
  legalComments: "none",
  write: false,
};

const results = await Promise.all([
  build({
    ...common,
    entryPoints: { "cutaway.js": "src/index.js", "cutaway.css": "src/style.css" },
    outExtension: {},
    format: "esm",
  }),
  build({
    ...common,
    entryPoints: { "page.js": "src/page.js", "page.css": "src/page.css" },
    outExtension: {},
    format: "iife",
  }),
]);

/** What is wrong with a built file; empty for nothing. */
function wrong(name, text) {
  const exported = name === "cutaway.js" && /export\{([^}]*)\}/.exec(text)?.[1];
  if (exported && !/^\w+ as default$/.test(exported)) {
    // A named export `render` makes the host drop `initialize` without a word.
    return `must export only a default, got ${exported}`;
  }
  if (name.startsWith("page") && /<\/(script|style)|<script|<!--|\r/i.test(text)) {
    // Would end the element that it is inlined in, or change the digest that the page allows.
    return "must not hold </script, </style, <script, <!-- or carriage returns";
  }
  const sent = gzipSync(text).length;
  return sent > limit ? `must be below ${limit} bytes gzipped, got ${sent}` : "";
}

let bad = 0;
for (const file of results.flatMap((one) => one.outputFiles)) {
  const name = file.path.replace(/^.*[/\\]/, "").replace(/\.(js|css)\.\1$/, ".$1");
  const problem = wrong(name, file.text);
  if (problem) {
    console.error(`${name} ${problem}`);
    bad = 1;
  }
  if (process.argv.includes("--check")) {
    if (readFileSync(out + name, "utf8") !== file.text) {
      console.error(`static/${name} differs from a fresh build; run: npm run build`);
      bad = 1;
    }
  } else if (!bad) {
    writeFileSync(out + name, file.text);
    console.log(`static/${name}: ${file.text.length} bytes, ${gzipSync(file.text).length} gzipped`);
  }
}
process.exit(bad);
