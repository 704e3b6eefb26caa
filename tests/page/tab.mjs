// A tab of Chromium, and the elements in it as a user finds them: by selector, by label, by a button's text.
// Whatever acts on an element waits until there is exactly one and it is shown; clicks and keys are the browser's own.

import {writeFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

const MOST_MS = 30_000;
const KEYS = {Tab: 9, Enter: 13, Escape: 27, End: 35, ArrowDown: 40, Delete: 46};

/** The first answer of ASK that is neither null nor undefined; what changes a page is seen within a frame or two. */
async function awaited(ask, what) {
  const latest = performance.now() + MOST_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined) return answer;
    if (performance.now() > latest) throw new Error(`waited in vain for ${what}`);
    await sleep(16);
  }
}

// These three run in the page.
function isShown(one) {
  const {width, height} = one.getBoundingClientRect();
  return width > 0 && height > 0 && one.checkVisibility({visibilityProperty: true});
}

function nameOf(one) {
  const text = one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
  return text.replace(/\s+/g, ' ').trim();
}

/** Where a click on ONE goes, at POSITION or in its middle; null where something else would get it. */
function pointOf(one, position) {
  one.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
  const box = one.getBoundingClientRect();
  const x = box.x + (position?.x ?? box.width / 2);
  const y = box.y + (position?.y ?? box.height / 2);
  return one.contains(document.elementFromPoint(x, y)) && !one.disabled ? {x, y} : null;
}

/** Elements of a page, looked up anew whenever they are asked for. */
class Elements {
  /** SOURCE is an expression of JavaScript: the array of elements. */
  constructor(tab, source, words) {
    this.tab_ = tab;
    this.source_ = source;
    this.words_ = words;
  }

  find(selector) {
    return this.#narrowed(`.flatMap((one) => [...one.querySelectorAll(${JSON.stringify(selector)})])`, selector);
  }

  at(index) {
    return this.#narrowed(`.slice(${index}, ${index + 1})`, `number ${index}`);
  }

  first() {
    return this.at(0);
  }

  shown() {
    return this.#narrowed(`.filter(${isShown})`, 'shown');
  }

  /** Those that a user calls by a name with TEXT (a string or a regular expression) in it. */
  named(text) {
    const pattern = text instanceof RegExp ? text : new RegExp(text.replace(/[^\w ]/g, '\\$&'), 'i');
    return this.#narrowed(`.filter((one) => ${pattern}.test((${nameOf})(one)))`, String(text));
  }

  button(text) {
    return this.find('button').shown().named(text);
  }

  /** The control with a label. */
  field(text) {
    return this.find('input, select, textarea').named(text);
  }

  /** FUNCTION of the array of elements, and of further arguments. */
  all(inner, ...rest) {
    return this.tab_.evaluate(`(${inner})(...[${this.source_}, ...${JSON.stringify(rest)}])`);
  }

  /** FUNCTION of the one element that is there. */
  async one(inner, ...rest) {
    const {value} = await awaited(() => this.tab_.evaluate(`((found, ...rest) => found.length === 1 ? ` +
      `{value: (${inner})(found[0], ...rest)} : null)(...[${this.source_}, ...${JSON.stringify(rest)}])`), this.words_);
    return value;
  }

  count() {
    return this.all((found) => found.length);
  }

  async isShown() {
    return await this.shown().count() === 1;
  }

  text() {
    return this.one((one) => one.innerText);
  }

  texts() {
    return this.all((found) => found.map((one) => one.innerText));
  }

  appears() {
    return this.shown().one(() => true);
  }

  focus() {
    return this.shown().one((one) => one.focus());
  }

  async click(position = null) {
    const point = await awaited(() => this.shown().one(pointOf, position), `a click on ${this.words_}`);
    await this.tab_.click(point);
  }

  async fill(text) {
    await this.shown().one((one) => { one.focus(); one.select(); });
    if (text) await this.tab_.call('Input.insertText', {text});
    else await this.tab_.press('Delete');
  }

  /** Chooses the option of a select with a value or, by a number, with an index. */
  async choose(option) {
    await awaited(() => this.shown().one((one, wanted) => {
      const index = [...one.options].findIndex((each, i) => wanted === (typeof wanted === 'number' ? i : each.value));
      if (index < 0 || one.disabled || one.options[index].disabled) return null;
      one.focus();
      one.selectedIndex = index;
      one.dispatchEvent(new Event('input', {bubbles: true}));
      one.dispatchEvent(new Event('change', {bubbles: true}));
      return true;
    }, option), `option ${option} of ${this.words_}`);
  }

  #narrowed(code, words) {
    return new Elements(this.tab_, this.source_ + code, `${this.words_} ${words}`.trim());
  }
}

export class Tab extends Elements {
  /** A tab with a profile of its own. COMPLAIN gets a line for whatever a page must not do. */
  static async open(chromium, complain, {width = 1280, height = 900, scheme = 'light', scripts = true} = {}) {
    const {browserContextId} = await chromium.call('Target.createBrowserContext');
    const {targetId} = await chromium.call('Target.createTarget', {url: 'about:blank', browserContextId});
    const {sessionId} = await chromium.call('Target.attachToTarget', {targetId, flatten: true});
    const tab = new Tab(chromium, targetId, sessionId, complain);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Inspector']) await tab.call(`${domain}.enable`);
    await tab.call('Page.setLifecycleEventsEnabled', {enabled: true});
    await tab.call('Emulation.setFocusEmulationEnabled', {enabled: true});
    await tab.call('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: 1, mobile: false});
    await tab.call('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: scheme}]});
    await tab.call('Emulation.setScriptExecutionDisabled', {value: !scripts});
    return tab;
  }

  constructor(chromium, frame, session, complain) {
    super(null, '[document]', '');
    this.tab_ = this;
    this.chromium_ = chromium;
    this.frame_ = frame;  // its own; frames in the page have others
    this.session_ = session;
    this.complain_ = complain;
    this.loaded_ = new Set();  // every document that has loaded
    this.within_ = null;  // the address in the same document that it went to last
    chromium.listen(session, (method, params) => this.#happened(method, params));
  }

  call(method, params = {}) {
    return this.chromium_.call(method, params, this.session_);
  }

  async goto(url) {
    this.within_ = null;
    const {loaderId, errorText} = await this.call('Page.navigate', {url});
    if (errorText) throw new Error(`${url}: ${errorText}`);
    const there = () => loaderId ? this.loaded_.has(loaderId) : this.within_ === url;
    await awaited(() => there() || null, `${url} to load`);
  }

  async reload() {
    const before = this.loaded_.size;
    await this.call('Page.reload');
    await awaited(() => this.loaded_.size > before || null, 'the page to load again');
  }

  /** What an expression is, or what a function returns. The page's policy and a ban on scripts don't hold for it. */
  async evaluate(code) {
    const expression = typeof code === 'function' ? `(${code})()` : code;
    const {result, exceptionDetails} = await this.call('Runtime.evaluate', {expression, returnByValue: true});
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async click(point) {
    const event = {...point, button: 'left', clickCount: 1};
    await this.call('Input.dispatchMouseEvent', {type: 'mouseMoved', ...point});
    await this.call('Input.dispatchMouseEvent', {type: 'mousePressed', buttons: 1, ...event});
    await this.call('Input.dispatchMouseEvent', {type: 'mouseReleased', buttons: 0, ...event});
  }

  async press(key) {
    const event = {key, code: key, windowsVirtualKeyCode: KEYS[key]};
    if (!event.windowsVirtualKeyCode) throw new Error(`no key is called ${key}`);
    const text = key === 'Enter' ? '\r' : undefined;
    await this.call('Input.dispatchKeyEvent', {type: text ? 'keyDown' : 'rawKeyDown', text, ...event});
    await this.call('Input.dispatchKeyEvent', {type: 'keyUp', ...event});
  }

  /** The whole page, as a file. */
  async screenshot(file) {
    const {data} = await this.call('Page.captureScreenshot', {captureBeyondViewport: true, clip: {
      ...(await this.call('Page.getLayoutMetrics')).cssContentSize, scale: 1}});
    writeFileSync(file, data, 'base64');
  }

  #happened(method, params) {
    switch (method) {
      case 'Page.lifecycleEvent':
        if (params.name === 'load' && params.frameId === this.frame_) this.loaded_.add(params.loaderId);
        break;
      case 'Page.navigatedWithinDocument':
        if (params.frameId === this.frame_) this.within_ = params.url;
        break;
      case 'Page.javascriptDialogOpening':
        this.complain_(`a dialog: ${params.message}`);
        this.call('Page.handleJavaScriptDialog', {accept: false}).catch(() => {});
        break;
      case 'Runtime.consoleAPICalled':
        if (['error', 'warning', 'assert'].includes(params.type)) {
          this.complain_(`console: ${params.args.map((one) => one.value ?? one.description).join(' ')}`);
        }
        break;
      case 'Log.entryAdded':
        if (['error', 'warning'].includes(params.entry.level)) this.complain_(`console: ${params.entry.text}`);
        break;
      case 'Runtime.exceptionThrown':
        this.complain_(`an error: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
        break;
      case 'Network.requestWillBeSent': {
        const {request, requestId, loaderId, type} = params;
        const navigates = type === 'Document' && requestId === loaderId;
        if (!request.url.startsWith('file:') || !navigates) this.complain_(`a request: ${request.url}`);
        break;
      }
      case 'Inspector.targetCrashed':
        this.complain_('the page crashed');
        break;
    }
  }
}
