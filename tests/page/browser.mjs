// Looks at pages in Chromium: browser.mjs FOLDER CHROMIUM CHECK PAGE. Prints one line a complaint; none is good.
// Screenshots go to FOLDER.

import {mkdirSync} from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

import {Chromium} from './chromium.mjs';
import {Tab} from './tab.mjs';

const [folder, program, check, page] = process.argv.slice(2);
const address = pathToFileURL(path.resolve(page)).href;

const complaints = [];
const complain = (text) => complaints.push(text);
const expect = (holds, text) => { if (!holds) complain(text); };

mkdirSync(folder, {recursive: true});
const chromium = new Chromium(program, path.resolve(folder));

async function open(options = {}) {
  const tab = await Tab.open(chromium, complain, options);
  await tab.goto(address);
  return tab;
}

const shot = (tab, name) => tab.screenshot(path.join(folder, `${name}.png`));
const visible = (tab, selector) => tab.find(selector).shown().count();

async function fits(tab, name) {
  const [wide, inner] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(wide <= inner, `${name}: ${wide} pixels wide in a window of ${inner}`);
}

const checks = {
  async reading() {
    const tab = await open({scripts: false});
    expect(await visible(tab, '.finding') > 1, 'findings are there without scripts');
    expect(await visible(tab, '#time') === 0, 'charts are not, without scripts');
    await tab.find('.finding > summary').first().click();
    expect(await visible(tab, '.finding[open] .stack li') > 0, 'a story opens without scripts');
    await fits(tab, 'without scripts');
  },

  async filters() {
    const tab = await open();
    const all = await visible(tab, '.finding');
    await tab.field('severity').choose('error');
    const errors = await visible(tab, '.finding');
    expect(errors > 0 && errors < all, `${errors} of ${all} findings are errors`);
    expect(await tab.find('#shown').text() === `${errors} of ${all} findings`, 'the count is shown');
    await tab.field('severity').choose('');
    await tab.field('kind').choose('wrong-close');
    expect(await visible(tab, '.finding') === 1, 'one wrong-close');
    await tab.field('kind').choose('');
    await tab.field('text').fill('CULPRIT (');
    expect(await visible(tab, '.finding') >= 1 && await visible(tab, '.finding') < all, 'text narrows, whatever the case');
    await tab.field('text').fill('nothing has this');
    expect(await visible(tab, '.finding') === 0, 'and may fit none');
    await tab.field('text').fill('');
    expect(await visible(tab, '.finding') === all, 'all are back');
    await tab.field('module').choose(1);
    expect(await visible(tab, '.finding') > 0, 'a module has findings');
  },

  async story() {
    const tab = await open();
    const finding = tab.find('.finding[data-kind=wrong-close]');
    await finding.find(':scope > summary').focus();
    await tab.press('Enter');
    expect(await finding.one((one) => one.open), 'Enter opens the story');
    const roles = await finding.find('.events > li > b:first-child').texts();
    expect(roles.join(' ') === 'opened closed reopened closed-again owner-close-failed', `the story is ${roles}`);
    expect(await finding.find('.stack .own').count() > 0, 'own frames stand out');
    const folded = finding.find('.folded').first();
    expect(!await folded.find('li').first().isShown(), 'frames of libraries are folded');
    await folded.find(':scope > summary').click();
    expect(await folded.find('li').first().isShown(), 'and unfold');
    expect((await finding.find('.source b').first().text()).includes('open('), 'source lines are shown');
    await finding.button('Copy the story').click();
    await finding.button(/Copied|Ctrl/).appears();
    await finding.button(/Biography/).click();
    expect((await tab.find('#numbers td.bad').texts()).some((text) => text.includes('close failed')),
      'the biography shows the close that failed');
    await shot(tab, 'story');
    const cause = await tab.find('.causes a').first().one((one) => one.getAttribute('href'));
    await tab.goto(address + cause);
    await tab.reload();
    expect(await tab.find(cause).one((one) => one.open), 'a link opens its finding');
  },

  async charts() {
    const tab = await open();
    expect(await tab.find('#time path.curve').count() >= 4, 'a curve for each process');
    expect(await tab.find('#time .limit').count() === 1, 'the limit has a line');
    expect(await tab.find('#time .full').count() >= 1, 'EMFILE is marked');
    await tab.find('#time select').choose('p1');
    expect(await tab.find('#time path.curve').count() === 1, 'one process, one curve');
    await tab.find('#time svg').click({x: 600, y: 100});
    expect(await tab.find('#time .moment').count() === 1, 'a click chooses a moment');
    expect((await tab.find('#paths output').text()).endsWith(' s'), 'for the call paths too');
    const cells = tab.find('#paths .frame');
    await tab.find('#paths input[type=range]').focus();
    await tab.press('End');
    expect(await tab.find('#paths output').text() === 'the end of each process', 'End chooses the end');
    const deepest = await cells.all((all) => all.map((one) => one.getAttribute('aria-label')));
    expect(deepest.some((label) => label.startsWith('load (story.c')), `call paths: ${deepest}`);
  },

  async keyboard() {
    const tab = await open();
    await tab.find('#paths .frame[tabindex="0"]').focus();
    const level = () => tab.evaluate(() => Number(document.activeElement.getAttribute('aria-level')));
    const first = await level();
    await tab.press('ArrowDown');
    expect(await level() === first + 1, 'down goes to a callee');
    await tab.press('Enter');
    expect(await tab.button('Whole tree').isShown(), 'Enter looks closer');
    await tab.press('Escape');
    expect(!await tab.button('Whole tree').isShown(), 'Escape goes back');
    // From the top, the tab key reaches every control in the order of the page.
    await tab.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    const met = [];
    for (let i = 0; i < 40; ++i) {
      await tab.press('Tab');
      met.push(await tab.evaluate(() => document.activeElement.closest('section')?.id ?? document.activeElement.tagName));
    }
    for (const section of ['findings', 'time', 'paths', 'numbers']) {
      expect(met.includes(section), `the tab key reaches ${section}, it met ${[...new Set(met)]}`);
    }
  },

  async looks() {
    for (const scheme of ['light', 'dark']) {
      for (const width of [1280, 390]) {
        const tab = await open({width, scheme});
        const paper = () => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const before = await paper();
        expect((before === 'rgb(255, 255, 255)') === (scheme === 'light'), `${scheme}: the paper is ${before}`);
        await tab.find('.finding > summary').first().click();
        await fits(tab, `${scheme} ${width}`);
        await shot(tab, `${scheme}-${width}`);
        await tab.button('Dark or light').click();
        expect(await paper() !== before, `${scheme}: the button changes the paper`);
      }
    }
  },

  async hostile() {
    const tab = await open();
    await tab.button('Open or close all').click();
    for (let n = 0; n < await tab.find('#numbers select').count(); ++n) {
      const picker = tab.find('#numbers select').at(n);
      const options = await picker.find('option').count();
      for (let i = 0; i < Math.min(options, 12); ++i) await picker.choose(i);
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
    await tab.find('#shown').appears();
    console.error(`large page: ready in ${((performance.now() - began) / 1000).toFixed(2)} s`);
    expect(await tab.find('#time path.curve').count() >= 1, 'a curve is drawn');
  },

  async stored() {
    const tab = await open();
    expect(await visible(tab, '.finding') > 1, 'a stored report has its findings');
    expect(await tab.find('#time').count() === 0, 'and no charts');
    await fits(tab, 'stored');
  },
};

try {
  await checks[check]();
} catch (error) {
  complain(`${check}: ${error.message}`);
} finally {
  await chromium.close();
}
for (const complaint of complaints) console.log(complaint.replaceAll('\n', ' '));
process.exitCode = 0;
