// Bundles GraphiQL, its editor and its workers into ./dist, each file gzipped:
// that is how they are embedded and, to nearly every client, how they are sent.
import { build } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";

// GraphiQL's styles carry 325 kB of fonts. The reader's own do, and the editor's
// icons are a file already.
const withoutFonts = {
  name: "without-fonts",
  setup({ onLoad }) {
    onLoad({ filter: /graphiql\/dist\/style\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8"))
        .replace(/@font-face\s*\{[^}]*url\(data:font[^}]*\}/g, "")
        .replaceAll('"Roboto", sans-serif', "system-ui, sans-serif"),
      loader: "css",
    }));
  },
};

const worker = "monaco-editor/esm/vs/";
const result = await build({
  entryPoints: {
    main: "main.jsx",
    "editor.worker": worker + "editor/editor.worker.js",
    "json.worker": worker + "language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  jsx: "automatic",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".ttf": "file" },
  plugins: [withoutFonts],
  define: { "process.env.NODE_ENV": '"production"' },
  write: false,
  logLevel: "info",
});

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
let total = 0;
for (const file of result.outputFiles) {
  const name = basename(file.path);
  // Styles of lazily loaded chunks are all in main.css already.
  if (name.endsWith(".css") && name !== "main.css") continue;
  const packed = gzipSync(file.contents, { level: 9 });
  packed[9] = 255; // no mark of the building system: the same bytes everywhere
  await writeFile(`dist/${name}.gz`, packed);
  total += packed.length;
}
console.log(`${total} bytes`);
