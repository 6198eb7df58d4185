import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { chosenTheme, wearTheme } from './theme';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';
import './style/print.css';

wearTheme(chosenTheme());
const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
