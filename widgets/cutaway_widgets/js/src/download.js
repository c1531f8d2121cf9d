// @ts-check
// Files out of a page, made in the browser: no request leaves it.

const NEVER = "This page's frame does not allow downloads. Open the page in a tab of its own.";
const PERHAPS = "If no file arrives, this page's frame does not allow downloads: open the page in a tab of its own.";

/** @returns {string} what stands in the way of a download; empty for nothing */
function obstacle() {
  if (window.parent === window) return "";
  // A frame of our own origin can be asked; one in a sandbox of its own can only be suspected.
  const flags = /** @type {HTMLIFrameElement | null} */ (window.frameElement)?.sandbox;
  if (flags) return flags.length && !flags.contains("allow-downloads") ? NEVER : "";
  return window.origin === "null" ? PERHAPS : "";
}

/**
 * File name of a view: its words, plain.
 * @param {string} words @param {string} ending
 */
export function fileName(words, ending) {
  const plain = words.normalize("NFKD").replace(/[^\w]+/g, "-").replace(/^-+|-+$/g, "");
  return `${plain.slice(0, 60).toLowerCase() || "cutaway"}.${ending}`;
}

/**
 * Save a file from the page.
 * @param {Blob} blob @param {string} name
 * @returns {string} what to tell the person
 */
export function download(blob, name) {
  const bad = obstacle();
  if (bad === NEVER) return bad;
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.rel = "noopener";
  link.click();
  // The browser reads the file after the click returns.
  setTimeout(() => URL.revokeObjectURL(address), 20_000);
  return bad || `Saved ${name}.`;
}
