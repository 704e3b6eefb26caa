// Looks at pages in Chromium: browser.mjs FOLDER CHROMIUM CHECK PAGE. Prints one line a complaint; none is good.
// FOLDER has node_modules. Screenshots go to FOLDER too.

import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [folder, chromium, check, page] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), 'package.json'));
const playwright = require('playwright-core');

const complaints = [];
const expect = (holds, text) => { if (!holds) complaints.push(text); };

const browser = await playwright.chromium.launch({executablePath: chromium, args: ['--no-sandbox', '--disable-gpu']});

/** A tab that counts whatever a page must not do. */
async function open(options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const tab = await context.newPage();
  tab.on('dialog', async (dialog) => { complaints.push(`a dialog: ${dialog.message()}`); await dialog.dismiss(); });
  tab.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`console: ${message.text()}`);
  });
  tab.on('pageerror', (error) => complaints.push(`an error: ${error.message}`));
  tab.on('request', (request) => {
    if (!request.url().startsWith('file:') || !request.isNavigationRequest()) complaints.push(`a request: ${request.url()}`);
  });
  await tab.goto(pathToFileURL(path.resolve(page)).href);
  return tab;
}

const shot = (tab, name) => tab.screenshot({path: path.join(folder, `${name}.png`), fullPage: true});
const visible = (tab, selector) => tab.locator(`${selector}:visible`).count();

async function fits(tab, name) {
  const [wide, inner] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(wide <= inner, `${name}: ${wide} pixels wide in a window of ${inner}`);
}

const checks = {
  async reading() {
    const tab = await open({javaScriptEnabled: false});
    expect(await visible(tab, '.finding') > 1, 'findings are there without scripts');
    expect(await visible(tab, '#time') === 0, 'charts are not, without scripts');
    await tab.locator('.finding > summary').first().click();
    expect(await visible(tab, '.finding[open] .stack li') > 0, 'a story opens without scripts');
    await fits(tab, 'without scripts');
  },

  async filters() {
    const tab = await open();
    const all = await visible(tab, '.finding');
    await tab.getByLabel('severity').selectOption('error');
    const errors = await visible(tab, '.finding');
    expect(errors > 0 && errors < all, `${errors} of ${all} findings are errors`);
    expect(await tab.locator('#shown').innerText() === `${errors} of ${all} findings`, 'the count is shown');
    await tab.getByLabel('severity').selectOption('');
    await tab.getByLabel('kind').selectOption('wrong-close');
    expect(await visible(tab, '.finding') === 1, 'one wrong-close');
    await tab.getByLabel('kind').selectOption('');
    await tab.getByLabel('text').fill('CULPRIT (');
    expect(await visible(tab, '.finding') >= 1 && await visible(tab, '.finding') < all, 'text narrows, whatever the case');
    await tab.getByLabel('text').fill('nothing has this');
    expect(await visible(tab, '.finding') === 0, 'and may fit none');
    await tab.getByLabel('text').fill('');
    expect(await visible(tab, '.finding') === all, 'all are back');
    await tab.getByLabel('module').selectOption({index: 1});
    expect(await visible(tab, '.finding') > 0, 'a module has findings');
  },

  async story() {
    const tab = await open();
    const finding = tab.locator('.finding[data-kind=wrong-close]');
    await finding.locator('> summary').focus();
    await tab.keyboard.press('Enter');
    expect(await finding.evaluate((one) => one.open), 'Enter opens the story');
    const roles = await finding.locator('.events > li > b:first-child').allInnerTexts();
    expect(roles.join(' ') === 'opened closed reopened closed-again owner-close-failed', `the story is ${roles}`);
    expect(await finding.locator('.stack .own').count() > 0, 'own frames stand out');
    const folded = finding.locator('.folded').first();
    expect(!await folded.locator('li').first().isVisible(), 'frames of libraries are folded');
    await folded.locator('> summary').click();
    expect(await folded.locator('li').first().isVisible(), 'and unfold');
    expect((await finding.locator('.source b').first().innerText()).includes('open('), 'source lines are shown');
    await finding.getByRole('button', {name: 'Copy the story'}).click();
    await finding.getByRole('button', {name: /Copied|Ctrl/}).waitFor();
    await finding.getByRole('button', {name: /Biography/}).click();
    expect((await tab.locator('#numbers td.bad').allInnerTexts()).some((text) => text.includes('close failed')),
      'the biography shows the close that failed');
    await shot(tab, 'story');
    const cause = await tab.locator('.causes a').first().getAttribute('href');
    await tab.goto(pathToFileURL(path.resolve(page)).href + cause);
    await tab.reload();
    expect(await tab.locator(cause).evaluate((one) => one.open), 'a link opens its finding');
  },

  async charts() {
    const tab = await open();
    expect(await tab.locator('#time path.curve').count() >= 4, 'a curve for each process');
    expect(await tab.locator('#time .limit').count() === 1, 'the limit has a line');
    expect(await tab.locator('#time .full').count() >= 1, 'EMFILE is marked');
    await tab.locator('#time select').selectOption('p1');
    expect(await tab.locator('#time path.curve').count() === 1, 'one process, one curve');
    await tab.locator('#time svg').click({position: {x: 600, y: 100}});
    expect(await tab.locator('#time .moment').count() === 1, 'a click chooses a moment');
    expect((await tab.locator('#paths output').innerText()).endsWith(' s'), 'for the call paths too');
    const cells = tab.locator('#paths .frame');
    await tab.locator('#paths input[type=range]').focus();
    await tab.keyboard.press('End');
    expect(await tab.locator('#paths output').innerText() === 'the end of each process', 'End chooses the end');
    const deepest = await cells.evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')));
    expect(deepest.some((label) => label.startsWith('load (story.c')), `call paths: ${deepest}`);
  },

  async keyboard() {
    const tab = await open();
    await tab.locator('#paths .frame[tabindex="0"]').focus();
    const level = () => tab.evaluate(() => Number(document.activeElement.getAttribute('aria-level')));
    const first = await level();
    await tab.keyboard.press('ArrowDown');
    expect(await level() === first + 1, 'down goes to a callee');
    await tab.keyboard.press('Enter');
    expect(await tab.getByRole('button', {name: 'Whole tree'}).isVisible(), 'Enter looks closer');
    await tab.keyboard.press('Escape');
    expect(!await tab.getByRole('button', {name: 'Whole tree'}).isVisible(), 'Escape goes back');
    // From the top, the tab key reaches every control in the order of the page.
    await tab.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    const met = [];
    for (let i = 0; i < 40; ++i) {
      await tab.keyboard.press('Tab');
      met.push(await tab.evaluate(() => document.activeElement.closest('section')?.id ?? document.activeElement.tagName));
    }
    for (const section of ['findings', 'time', 'paths', 'numbers']) {
      expect(met.includes(section), `the tab key reaches ${section}, it met ${[...new Set(met)]}`);
    }
  },

  async looks() {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1280, 390]) {
        const tab = await open({viewport: {width, height: 900}, colorScheme: scheme});
        const paper = () => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const before = await paper();
        expect((before === 'rgb(255, 255, 255)') === (scheme === 'light'), `${scheme}: the paper is ${before}`);
        await tab.locator('.finding > summary').first().click();
        await fits(tab, `${scheme} ${width}`);
        await shot(tab, `${scheme}-${width}`);
        await tab.getByRole('button', {name: 'Dark or light'}).click();
        expect(await paper() !== before, `${scheme}: the button changes the paper`);
      }
    }
  },

  async hostile() {
    const tab = await open();
    await tab.getByRole('button', {name: 'Open or close all'}).click();
    for (const picker of await tab.locator('#numbers select').all()) {
      const options = await picker.locator('option').count();
      for (let i = 0; i < Math.min(options, 12); ++i) await picker.selectOption({index: i});
    }
    const found = await tab.evaluate(() => ({
      pwned: 'pwned' in window,
      elements: document.querySelectorAll('img, iframe, object, embed, link, base, main script, main style').length,
      text: document.body.innerText,
    }));
    expect(!found.pwned, 'a name was run');
    expect(found.elements === 0, `${found.elements} elements came out of names`);
    expect(found.text.includes('<img src=x onerror='), 'markup in a name is shown as text');
    expect(found.text.includes('</script>'), 'the end of a script too');
    // eslint-disable-next-line no-control-regex
    expect(!/[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u001b]/.test(found.text), 'controls are shown by their bytes');
    expect(found.text.includes('\\xe2\\x80\\xae'), 'a direction override is shown by its bytes');
    expect(found.text.includes('\\xff'), 'and what is no UTF-8');
    await fits(tab, 'hostile');
    await shot(tab, 'hostile');
  },

  async large() {
    const began = performance.now();
    const tab = await open();
    await tab.locator('#shown').waitFor();
    console.error(`large page: ready in ${((performance.now() - began) / 1000).toFixed(2)} s`);
    expect(await tab.locator('#time path.curve').count() >= 1, 'a curve is drawn');
  },

  async stored() {
    const tab = await open();
    expect(await visible(tab, '.finding') > 1, 'a stored report has its findings');
    expect(await tab.locator('#time').count() === 0, 'and no charts');
    await fits(tab, 'stored');
  },
};

try {
  await checks[check]();
} catch (error) {
  complaints.push(`${check}: ${error.message}`);
} finally {
  await browser.close();
}
for (const complaint of complaints) console.log(complaint);
process.exitCode = 0;
