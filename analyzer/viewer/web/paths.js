// An icicle of open descriptors by call path, at the end of each process or at a chosen moment. Arrow keys walk it:
// down to a callee, up to the caller, left and right among siblings; Enter looks closer, Escape goes back.

import {hierarchy, partition} from 'd3-hierarchy';
import {scaleLinear} from 'd3-scale';
import {select} from 'd3-selection';

import {choice, element, onResize, viewOf} from './dom.js';

const ROW = 22;
const LEAST_WIDTH = 1.5;

/** Call paths as one tree of frames, outermost first; each path's count is its innermost frame's own. */
function treeOf(history, process, index) {
  const root = {name: 'all', frame: -1, own: 0, children: new Map()};
  for (const row of history.open) {
    const [place, path, first] = row;
    if (process !== '' && history.processes[place].id !== process) continue;
    const count = index === history.moments.length ? row[row.length - 1] : index < first ? 0 : row[3 + index - first];
    if (count === 0) continue;
    let at = root;
    for (const frame of history.paths[path]) {
      if (!at.children.has(frame)) {
        at.children.set(frame, {name: history.frames[frame], frame, own: 0, children: new Map()});
      }
      at = at.children.get(frame);
    }
    at.own += count;
  }
  return root;
}

/** Returns what chooses a moment by its time. */
export function setUpPaths(history, onmoment) {
  const view = viewOf('paths');
  const end = history.moments.length;
  const own = new Set(history.own);
  let process = '';
  let index = end;
  let focus = null;
  const chart = element('div', {role: 'tree', 'aria-label': 'Open descriptors by call path'});
  const detail = element('p', {class: 'detail', 'aria-live': 'polite'});
  const output = element('output');
  const slider = element('input', {type: 'range', min: 0, max: end, value: end, 'aria-label': 'moment',
    oninput: () => setIndex(Number(slider.value))});
  const picker = choice('process', [['', 'all'],
    ...history.processes.map((one) => [one.id, `${one.id} ${one.name} (${one.pid})`])],
  (value) => { process = value; focus = null; draw(); });
  const back = element('button', {type: 'button', onclick: () => { focus = null; draw(); }}, 'Whole tree');
  view.append(element('div', {class: 'controls'}, picker.label,
    element('label', {}, 'open at', slider, output), back), chart, detail);

  function setIndex(value, quiet) {
    index = value;
    slider.value = value;
    output.textContent = index === end ? 'the end of each process' : `${history.moments[index].toFixed(6)} s`;
    if (!quiet) onmoment(index === end ? null : history.moments[index]);
    draw();
  }

  function draw() {
    const root = hierarchy(treeOf(history, process, index), (node) => [...node.children.values()])
      .sum((node) => node.own).sort((a, b) => b.value - a.value);
    const width = Math.max(chart.clientWidth, 280);
    const hadFocus = chart.contains(document.activeElement);
    back.hidden = focus === null;
    select(chart).selectAll('svg').remove();
    if (!root.value) {
      detail.textContent = 'No descriptor with a known call path was open then.';
      return;
    }
    partition()(root);
    const key = (node) => node.ancestors().map((one) => one.data.frame).join(' ');
    const top = (focus !== null && root.descendants().find((node) => key(node) === focus)) || root;
    const x = scaleLinear([top.x0, top.x1], [0, width]);
    const shown = root.descendants().filter((node) => x(node.x1) - x(node.x0) >= LEAST_WIDTH &&
      node.x1 > top.x0 && node.x0 < top.x1);
    const height = (Math.max(...shown.map((node) => node.depth)) + 1) * ROW;
    const svg = select(chart).append('svg').attr('viewBox', `0 0 ${width} ${height}`).attr('height', height);
    const share = (node) => `${node.value} of ${root.value} descriptors (${(100 * node.value / root.value).toFixed(1)} %)`;
    const cells = svg.selectAll('g').data(shown).join('g').attr('class', 'frame').attr('role', 'treeitem')
      .attr('tabindex', (node) => (node === top ? 0 : -1)).attr('aria-level', (node) => node.depth + 1)
      .attr('aria-label', (node) => `${node.data.name}: ${share(node)}`)
      .attr('transform', (node) => `translate(${Math.max(0, x(node.x0))},${node.depth * ROW})`);
    const span = (node) => Math.min(width, x(node.x1)) - Math.max(0, x(node.x0));
    cells.append('rect').attr('width', span).attr('height', ROW - 1)
      .attr('class', (node) => (own.has(node.data.frame) ? 'mine' : 'others'));
    cells.append('text').attr('x', 4).attr('y', ROW - 7).text((node) => {
      const room = Math.floor((span(node) - 8) / 6.6);
      const text = node.depth === 0 ? `${node.value} open` : node.data.name;
      return room < 3 ? '' : text.length <= room ? text : `${text.slice(0, room - 1)}…`;
    });
    cells.append('title').text((node) => `${node.data.name}\n${share(node)}`);
    const groups = new Map();
    cells.each(function (node) { groups.set(node, this); });
    const show = (node) => { detail.textContent = `${node.data.name}: ${share(node)}`; };
    const zoom = (node) => {
      focus = node === root ? null : key(node);
      draw();
    };
    for (const [node, group] of groups) {
      group.addEventListener('click', () => zoom(node));
      group.addEventListener('focus', () => show(node));
      group.addEventListener('mouseenter', () => show(node));
      group.addEventListener('keydown', (event) => {
        const line = node.parent ? node.parent.children.filter((one) => groups.has(one)) : [node];
        const place = line.indexOf(node);
        const next = {ArrowDown: (node.children || []).find((one) => groups.has(one)), ArrowUp: node.parent,
          ArrowLeft: line[place - 1], ArrowRight: line[place + 1]}[event.key];
        if (event.key === 'Enter') zoom(node);
        else if (event.key === 'Escape') zoom(root);
        else if (next !== undefined && next !== null) {
          group.setAttribute('tabindex', -1);
          groups.get(next).setAttribute('tabindex', 0);
          groups.get(next).focus();
        } else return;
        event.preventDefault();
      });
    }
    show(top);
    if (hadFocus) groups.get(top)?.focus();
  }
  onResize(view, draw);
  setIndex(end, true);
  return (time) => {
    const near = history.moments.findIndex((moment) => moment >= time);
    setIndex(near < 0 ? end - 1 : near, true);
  };
}
