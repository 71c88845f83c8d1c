import { rmSync } from 'node:fs'
import { defineConfig } from 'vite'
import { svelte } from '@sveltejs/vite-plugin-svelte'

// "npm run dev" shows the sources against a running daemon: MTAWATCH names it.
const daemon = process.env.MTAWATCH || 'http://127.0.0.1:9725'
const proxied = Object.fromEntries(
  ['/api', '/metrics', '/login', '/logout', '/plain'].map((path) => [path, { target: daemon }]),
)

const out = new URL('../internal/web/dist/', import.meta.url).pathname

// The assets of the build before. The rest of the folder is kept: Go embeds a
// placeholder in it.
const clean = { name: 'clean', apply: 'build', buildStart: () => rmSync(out + 'assets', { recursive: true, force: true }) }

export default defineConfig({
  plugins: [svelte({ configFile: false }), clean],
  server: { host: '127.0.0.1', proxy: proxied },
  build: {
    outDir: out,
    emptyOutDir: false,
    target: 'es2022',
    assetsInlineLimit: 0, // nothing inline: the page's policy allows none
    modulePreload: { polyfill: false },
  },
})
