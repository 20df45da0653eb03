/**
 * The script of the status page: reloads the page's content every two seconds, updates in place what has changed, and
 * runs the countdowns. Written for browsers, so it is text here.
 */

export const SCRIPT = `
'use strict';
(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 8000;
  let etag = '';
  let aheadMs = 0;
  let silentSince;

  const now = () => Date.now() + aheadMs;

  function readClock() {
    aheadMs = Number(document.body.dataset.now) - Date.now();
  }

  function inWords(ms) {
    const s = Math.max(0, Math.ceil(ms / 1000));
    const two = (n) => String(n).padStart(2, '0');
    if (s >= 172800) return Math.floor(s / 86400) + ' days';
    if (s >= 3600) return Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) + ':' + two(s % 60);
    return Math.floor(s / 60) + ':' + two(s % 60);
  }

  function tick() {
    for (const element of document.querySelectorAll('[data-until]')) {
      const text = inWords(Number(element.dataset.until) - now());
      if (element.textContent !== text) element.textContent = text;
    }
    const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + ' UTC';
    say('#connection .text', clock(now()));
    say('#gone', silentSince ? 'No answer from the watcher since ' + clock(silentSince) + '. This is how it was then.' : '');
  }

  function say(place, text) {
    const element = document.querySelector(place);
    if (element.textContent !== text) element.textContent = text;
  }

  /** Written by this script, and never by the watcher. */
  const OURS = ['connection', 'gone'];
  // a parser that runs no script takes what is in NOSCRIPT for elements: its refresh would load the page again and again
  const FIXED = ['SCRIPT', 'STYLE', 'NOSCRIPT'];

  /** Makes the element what the other one is, and leaves alone whatever is the same already. */
  function become(old, next) {
    if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) return old.replaceWith(next);
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== next.data) old.data = next.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE || OURS.includes(old.id) || FIXED.includes(old.nodeName)) return;
    for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
    for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    if (old.hasAttribute('data-until')) return;
    const [from, to] = [[...old.childNodes], [...next.childNodes]];
    to.forEach((child, index) => (from[index] ? become(from[index], child) : old.append(child)));
    from.slice(to.length).forEach((child) => child.remove());
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      const headers = etag ? { 'If-None-Match': etag } : {};
      const answer = await fetch(location.pathname, { headers, cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.status === 200) {
        const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const version = (page) => page.querySelector('meta[name=version]')?.content;
        if (version(next) !== version(document)) return location.reload();
        etag = answer.headers.get('ETag') ?? '';
        become(document.documentElement, next.documentElement);
        readClock();
      } else if (answer.status !== 304) {
        throw new Error('status ' + answer.status);
      }
      silentSince = undefined;
    } catch {
      silentSince ??= now();
    }
    document.body.classList.toggle('stale', silentSince !== undefined);
    tick();
  }

  async function keepUp() {
    await refresh();
    setTimeout(keepUp, EVERY_MS);
  }

  readClock();
  tick();
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', refresh);
  setTimeout(keepUp, EVERY_MS);
})();
`;
