// Chromium without a window, driven by its DevTools protocol over a pipe: JSON messages that end in NUL, to its
// descriptor 3 and from its descriptor 4. It ends when the pipe does, so it does not outlive its driver.

import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import path from 'node:path';

const MOST_MS = 180_000;  // as PATIENCE of tests/support/harness.py: it may be slow, and must not hang
const OPTIONS = ['--headless', '--remote-debugging-pipe', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
  '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-extensions', '--disable-default-apps', '--password-store=basic', '--force-color-profile=srgb',
  '--hide-scrollbars',  // so that a page one pixel too wide is seen
  '--allow-pre-commit-input'];  // input before the first frame would be dropped

export class Chromium {
  /** Starts PROGRAM with a new profile in FOLDER. */
  constructor(program, folder) {
    this.profile_ = mkdtempSync(path.join(folder, 'profile-'));
    this.process_ = spawn(program, [...OPTIONS, `--user-data-dir=${this.profile_}`, 'about:blank'],
      {stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe']});
    this.calls_ = new Map();  // by their number: what awaits the answer
    this.sessions_ = new Map();  // by their name: what is called with each event
    this.stderr_ = '';
    this.over_ = new Promise((resolve) => {
      this.process_.on('error', (error) => { this.#ended(error.message); resolve(); });
      this.process_.on('close', (status, signal) => { this.#ended(`it ended with ${signal ?? status}`); resolve(); });
    });
    this.process_.stderr.setEncoding('utf8');
    this.process_.stderr.on('data', (text) => { this.stderr_ = (this.stderr_ + text).slice(-1000); });
    this.process_.stdio[3].on('error', () => {});  // 'close' reports it
    let parts = [];
    this.process_.stdio[4].on('data', (bytes) => {
      for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0)) {
        const text = Buffer.concat([...parts, bytes.subarray(0, end)]).toString();
        parts = [];
        bytes = bytes.subarray(end + 1);
        this.#received(JSON.parse(text));
      }
      parts.push(bytes);
    });
  }

  /** The answer to METHOD; an error where Chromium refuses, ends, or is silent for MOST_MS. */
  call(method, params = {}, sessionId = undefined) {
    if (this.why_) return Promise.reject(new Error(this.why_));
    const id = this.last_ = (this.last_ ?? 0) + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answered(id, {message: `no answer in ${MOST_MS} ms ${this.stderr_}`}), MOST_MS);
      this.calls_.set(id, {method, resolve, reject, timer});
      this.process_.stdio[3].write(`${JSON.stringify({id, method, params, sessionId})}\0`);
    });
  }

  /** HANDLER is called with the method and the parameters of each event of a session. */
  listen(sessionId, handler) {
    this.sessions_.set(sessionId, handler);
  }

  async close() {
    await this.call('Browser.close').catch(() => {});
    const timer = setTimeout(() => this.process_.kill('SIGKILL'), 5000);
    await this.over_;
    clearTimeout(timer);
    rmSync(this.profile_, {recursive: true, force: true, maxRetries: 5});
  }

  #received({id, error, result, sessionId, method, params}) {
    if (id !== undefined) this.#answered(id, error, result);
    else this.sessions_.get(sessionId)?.(method, params);
  }

  #answered(id, error, result) {
    const call = this.calls_.get(id);
    if (!call) return;
    this.calls_.delete(id);
    clearTimeout(call.timer);
    if (error) call.reject(new Error(`${call.method}: ${error.message}`));
    else call.resolve(result);
  }

  #ended(why) {
    this.why_ ??= `Chromium: ${why} ${this.stderr_}`;
    for (const id of [...this.calls_.keys()]) this.#answered(id, {message: this.why_});
  }
}
