// Puts the extension and the libraries it uses into one file, with their licences beside it, and the project's own where vsce looks for it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const esbuild = require("esbuild");

const LICENCE = path.join(__dirname, "..", "..", "LICENSE");
if (!fs.existsSync(LICENCE)) {
  throw new Error(`${LICENCE} is not there: the extension carries the project's licence, so build it in a clone of the whole repository`);
}

const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;

const { metafile } = esbuild.buildSync({
  entryPoints: ["extension.js"],
  outfile: "out/extension.js",
  bundle: true,
  minify: true,
  platform: "node",
  format: "cjs",
  external: ["vscode"],
  metafile: true,
});

const packages = new Set(Object.keys(metafile.inputs).map((input) => PACKAGE.exec(input)?.[1]).filter(Boolean));
const notices = [...packages].sort().map((folder) => {
  const licence = fs.readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (!licence) throw new Error(`${folder} has no licence`);
  const { name, version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  return `${name} ${version}\n\n${fs.readFileSync(path.join(folder, licence), "utf8").trim()}\n`;
});
fs.writeFileSync("out/NOTICES.txt", notices.join(`\n${"-".repeat(80)}\n\n`));
fs.copyFileSync(LICENCE, "LICENSE.txt");
