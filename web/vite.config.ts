import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

// `npm run dev` shows the pages of this folder with the data of a running `safelight serve` (SAFELIGHT=http://127.0.0.1:8080).
const behind = loadEnv('', '.', 'SAFELIGHT')['SAFELIGHT'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../.build/pages/console',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy allows no inline data but pictures; everything is a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: Object.fromEntries(['/api', '/dicomweb', '/viewer'].map((path) => [path, { target: behind, changeOrigin: true }])),
  },
});
