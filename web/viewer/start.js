// Starts the viewer once somebody is logged in. Without it the viewer would say that the study does not exist.
const bundle = document.currentScript.dataset.bundle;
const wanted = window.location.pathname + window.location.search;

// To the login, and back to this study.
window.safelightLogin = () => window.location.replace('/find?then=' + encodeURIComponent(wanted));

fetch('/api/me', { cache: 'no-store' }).then(
  answer => {
    if (answer.status === 401) return window.safelightLogin();
    const script = document.createElement('script');
    script.src = bundle;
    document.head.append(script);
  },
  () => (document.getElementById('root').textContent = 'No answer from Safelight. Reload this page.')
);
