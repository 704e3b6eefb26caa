// Filters, copying, and links to the biographies of numbers.

import {choice, element, plural} from './dom.js';

const distinct = (findings, name, split) => {
  const values = new Set();
  for (const finding of findings) {
    for (const value of finding.dataset[name].split(split)) if (value !== '') values.add(value);
  }
  return [...values].sort();
};

function storyAsText(finding) {
  const lines = [finding.querySelector('summary').innerText];
  for (const event of finding.querySelectorAll('.events > li')) {
    lines.push(event.firstElementChild.textContent + ' ' + [...event.childNodes]
      .slice(1).filter((node) => node.nodeName !== 'OL').map((node) => node.textContent).join('').trim());
    for (const frame of event.querySelectorAll('.stack > li')) {
      if (frame.querySelector('.stack') !== null) continue;  // a fold of others
      lines.push('    ' + [...frame.childNodes].filter((node) => node.nodeName !== 'PRE')
        .map((node) => node.textContent).join('').trim());
    }
  }
  return lines.join('\n') + '\n';
}

/** The clipboard where there is one; else the text is selected, for the reader to copy. */
async function copy(finding, button) {
  const text = storyAsText(finding);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    const box = element('textarea', {readonly: true, rows: 10, cols: 60, 'aria-label': 'The story as text'});
    box.value = text;
    button.after(box);
    box.select();
    button.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C';
    if (button.textContent === 'Copied') box.remove();
  }
}

export function setUpFindings(showNumber) {
  const findings = [...document.querySelectorAll('.finding')];
  const bar = document.getElementById('filters');
  const shown = document.getElementById('shown');
  if (findings.length === 0) {
    bar.hidden = shown.hidden = true;
    return;
  }
  const wanted = {kind: '', severity: '', processes: '', modules: '', text: ''};
  let texts = null;
  const apply = () => {
    // Read once, and only when somebody looks for a text: it costs a pass over the whole page.
    if (wanted.text !== '' && texts === null) texts = findings.map((finding) => finding.textContent.toLowerCase());
    let count = 0;
    findings.forEach((finding, index) => {
      const has = (name, split) => wanted[name] === '' || finding.dataset[name].split(split).includes(wanted[name]);
      const fits = has('kind', '\n') && has('severity', '\n') && has('processes', ' ') && has('modules', '\n') &&
        (wanted.text === '' || texts[index].includes(wanted.text));
      finding.hidden = !fits;
      if (fits) ++count;
    });
    shown.textContent = count === findings.length ? plural(count, 'finding') : `${count} of ${plural(findings.length, 'finding')}`;
  };
  const add = (label, name, split) => {
    const options = [['', 'all'], ...distinct(findings, name, split).map((value) => [value, value])];
    bar.append(choice(label, options, (value) => { wanted[name] = value; apply(); }).label);
  };
  add('kind', 'kind', '\n');
  add('severity', 'severity', '\n');
  add('process', 'processes', ' ');
  add('module', 'modules', '\n');
  const text = element('input', {type: 'search', oninput: () => { wanted.text = text.value.toLowerCase(); apply(); }});
  bar.append(element('label', {}, 'text', text));
  bar.append(element('button', {type: 'button', onclick: () => {
    const open = findings.some((finding) => !finding.hidden && !finding.open);
    for (const finding of findings) if (!finding.hidden) finding.open = open;
  }}, 'Open or close all'));
  for (const finding of findings) finding.addEventListener('toggle', () => prepare(finding, showNumber), {once: true});
  apply();
  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.classList.contains('finding')) {
      target.hidden = false;
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener('hashchange', openTarget);
  openTarget();
}

/** What an open finding offers besides reading. */
function prepare(finding, showNumber) {
  const story = finding.querySelector('.story');
  if (story === null) return;
  const button = element('button', {type: 'button', onclick: () => copy(finding, button)}, 'Copy the story');
  const bar = element('p', {class: 'controls'}, button);
  const number = finding.querySelector('.events .number');
  const process = finding.dataset.processes.split(' ')[0];
  if (number !== null && showNumber !== null) {
    const fd = Number(number.textContent);
    bar.append(element('button', {type: 'button', onclick: () => showNumber(process, fd)}, `Biography of number ${fd}`));
  }
  story.append(bar);
}
