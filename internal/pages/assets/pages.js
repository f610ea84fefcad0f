// What is more comfortable with JavaScript. Everything works without it.
'use strict';

// Forms: what is not filled in does not stand in the address.
for (const form of document.querySelectorAll('form[data-tidy]')) {
  form.addEventListener('submit', () => {
    for (const field of form.elements) {
      if (field.name && field.value === '') field.disabled = true;
    }
    // Whoever comes back finds the fields as they were.
    setTimeout(() => { for (const field of form.elements) field.disabled = false; });
  });
}

// Search: the value of an attribute is completed with those that the last hour has.
const key = document.querySelector('input[data-key]');
const value = document.querySelector('input[data-value]');
if (key && value) {
  const tenant = document.querySelector('select[name=tenant]');
  let asked = '';
  value.addEventListener('focus', async () => {
    const name = key.value.trim();
    if (!name || name === asked) return;
    asked = name;
    const now = Math.floor(Date.now() / 1000);
    const tag = /^(span|resource|event|link|instrumentation)\.|^\.|:/.test(name) ? name : '.' + name;
    const address = '/api/v2/search/tag/' + encodeURIComponent(tag) + '/values?limit=100&start=' + (now - 3600) + '&end=' + now;
    const answer = await fetch(address, { headers: tenant ? { 'X-Scope-OrgID': tenant.value } : {} }).catch(() => null);
    if (!answer || !answer.ok) return;
    const found = (await answer.json()).tagValues || [];
    document.getElementById('values').replaceChildren(...found.filter((v) => v.value.length <= 200).map((v) => {
      const option = document.createElement('option');
      option.value = v.value;
      return option;
    }));
  });
}

// Trace: open and close all, and show only some.
const tools = document.querySelector('[data-tools]');
if (tools) {
  const rows = [...document.querySelectorAll('.waterfall > li')];
  const button = (text, pressed, act) => {
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = text;
    if (pressed) b.setAttribute('aria-pressed', 'false');
    b.addEventListener('click', () => {
      const on = b.getAttribute('aria-pressed') !== 'true';
      if (pressed) b.setAttribute('aria-pressed', String(on));
      act(on);
    });
    tools.append(' ', b);
  };
  button('Open all', false, () => { for (const row of rows) row.firstElementChild.open = true; });
  button('Close all', false, () => { for (const row of rows) row.firstElementChild.open = false; });
  const only = { failed: false, critical: false };
  const show = () => {
    const some = only.failed || only.critical;
    for (const row of rows) {
      row.hidden = some && !(only.failed && row.classList.contains('failed')) && !(only.critical && row.classList.contains('critical'));
    }
  };
  button('Only failed', true, (on) => { only.failed = on; show(); });
  button('Only the critical path', true, (on) => { only.critical = on; show(); });
}
// A link to a span opens it.
const openTarget = () => {
  const row = location.hash && document.getElementById(location.hash.slice(1));
  if (row && row.matches('.waterfall > li')) row.firstElementChild.open = true;
};
addEventListener('hashchange', openTarget);
openTarget();

// Status: it is asked for again while somebody looks.
const live = document.querySelector('[data-live]');
if (live) {
  let on = true;
  const switcher = () => {
    const place = document.querySelector('[data-refresh]');
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = 'Every 5 seconds';
    b.setAttribute('aria-pressed', String(on));
    b.addEventListener('click', () => { on = !on; b.setAttribute('aria-pressed', String(on)); });
    place.replaceChildren(b);
  };
  switcher();
  setInterval(async () => {
    if (!on || document.hidden || live.contains(document.activeElement)) return;
    const answer = await fetch('/status', { headers: { Accept: 'text/html' } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    live.replaceChildren(...page.querySelector('[data-live]').childNodes);
    switcher();
  }, 5000);
}
