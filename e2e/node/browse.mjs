// A real Chromium that does what it is told: a command of JSON a line comes in, an answer of JSON a line goes out.
// What the browser complained of since the last answer, and what it asked for elsewhere, stands in each.
//
//   node browse.mjs CHROMIUM BASE_URL
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';

const chromium = process.argv[2];
let base = process.argv[3];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const patience = 90_000;
const browser = await puppeteer.launch({
  executablePath: chromium, headless: true, protocolTimeout: patience, timeout: patience,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
    '--disable-background-networking', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
let page, troubles = [], foreign = [];

async function look({ width = 1280, height = 900, dark = false }) {
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
}

async function open({ base: other, scripts = true, ...how }) {
  base = other ?? base;
  if (page) await page.close();
  page = await browser.newPage();
  page.setDefaultTimeout(patience);
  page.setDefaultNavigationTimeout(patience);
  await look(how);
  await page.setJavaScriptEnabled(scripts);
  page.on('console', (m) => { if (['error', 'warn'].includes(m.type())) troubles.push(`${m.type()}: ${m.text()}`); });
  page.on('pageerror', (e) => troubles.push('thrown: ' + e.message));
  page.on('dialog', async (d) => { troubles.push('dialog: ' + d.message()); await d.dismiss(); });
  page.on('requestfailed', (r) => {
    const why = r.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') troubles.push(`failed: ${r.url()} ${why}`); // aborted: the page was left
  });
  page.on('request', (r) => {
    if (!r.url().startsWith(base + '/') && !r.url().startsWith('data:') && r.url() !== 'about:blank') foreign.push(r.url());
  });
}

// reveal has everything rendered, also rows that the page leaves out until they are scrolled to.
const reveal = () => page.evaluate(() => {
  const style = new CSSStyleSheet();
  style.replaceSync('* { content-visibility: visible !important; }');
  document.adoptedStyleSheets = [style];
});

const navigated = async (act) => { await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), act()]); };

// press the mouse on an element. Puppeteer's own way waits for callbacks, which never come where JavaScript is off.
async function click(selector) {
  const [x, y] = await page.evaluate((selector) => {
    const element = document.querySelector(selector);
    if (!element) throw new Error(`there is no ${selector}`);
    element.scrollIntoView({ block: 'center' });
    const box = element.getClientRects()[0] ?? element.getBoundingClientRect(); // of a link of two lines, the first
    return [box.x + box.width / 2, box.y + box.height / 2];
  }, selector);
  await page.mouse.click(x, y);
}

const commands = {
  open, look,
  async goto({ path }) {
    const response = await page.goto(base + path, { waitUntil: 'load' });
    const [timing, parts] = JSON.parse(await page.evaluate(() => JSON.stringify([
      performance.getEntriesByType('navigation')[0], performance.getEntriesByType('resource')])));
    return {
      status: response.status(), bytes: timing.decodedBodySize, parts: parts.reduce((sum, r) => sum + r.decodedBodySize, 0),
      first_byte: timing.responseStart, loaded: timing.loadEventEnd,
    };
  },
  async fill({ selector, text }) {
    await click(selector);
    await page.keyboard.type(text);
  },
  async select({ selector, value }) { await page.select(selector, value); },
  async press({ key }) { await page.keyboard.press(key); },
  async click({ selector }) { await click(selector); },
  async follow({ selector }) { await navigated(() => click(selector)); },
  async enter() { await navigated(() => page.keyboard.press('Enter')); },
  async wait({ selector }) { await page.waitForSelector(selector); },
  async evaluate({ script }) { return { value: await page.evaluate(script) }; },
  async where() {
    await reveal();
    return { url: page.url().slice(base.length), text: await page.evaluate(() => document.body.innerText) };
  },
  async axe({ looks }) {
    await reveal();
    await page.evaluate(axe); // by the debugger, which the page's policy does not bind
    const violations = [];
    for (const how of looks) {
      await look(how);
      const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations.map((v) =>
        `${v.impact} ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) found.push(`${wide} px too wide`);
      violations.push(...found.map((v) => `${how.width} px, ${how.dark ? 'dark' : 'light'}: ${v}`));
    }
    await look({});
    return { violations };
  },
  async screenshot({ path }) { await page.screenshot({ path }); },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = (await commands[command](args)) ?? {};
  } catch (e) {
    answer = { error: String(e) };
  }
  process.stdout.write(JSON.stringify({ ...answer, troubles, foreign }) + '\n');
  troubles = [];
  foreign = [];
}
await browser.close();
