// The biography of a number: all it has been in a process, who opened and closed it, and the close that failed.

import {axisBottom} from 'd3-axis';
import {scaleLinear} from 'd3-scale';
import {select} from 'd3-selection';

import {choice, element, onResize, seconds, viewOf} from './dom.js';

const HEIGHT = 74;
const MARGIN = {left: 8, right: 16, top: 8, bottom: 26};
const MOST_ROWS = 250;

/** Returns what shows a number of a process, by their names. */
export function setUpNumbers(history) {
  const view = viewOf('numbers');
  const lanes = new Map();
  for (const lane of history.lanes) {
    const id = history.processes[lane.p].id;
    if (!lanes.has(id)) lanes.set(id, new Map());
    lanes.get(id).set(lane.fd, lane);
  }
  if (lanes.size === 0) {
    view.append(element('p', {}, 'No number has a history in this trace.'));
    return () => {};
  }
  const processes = history.processes.filter((one) => lanes.has(one.id));
  const numbers = choice('number', [], () => draw());
  const picker = choice('process', processes.map((one) => [one.id, `${one.id} ${one.name} (${one.pid})`]), () => fill());
  const chart = element('div');
  const table = element('div', {class: 'scroll'});
  view.append(element('div', {class: 'controls'}, picker.label, numbers.label), chart, table);

  function fill(wanted) {
    const own = [...lanes.get(picker.list.value).values()].sort((a, b) => a.fd - b.fd);
    const first = wanted ?? (own.find((lane) => lane.found) ?? own[0]).fd;
    numbers.list.replaceChildren(...own.map((lane) => element('option', {value: lane.fd, selected: lane.fd === first},
      `${lane.fd}${lane.found ? ' (in a finding)' : ''}`)));
    draw();
  }

  const innermost = (path) => {
    if (path < 0) return '';
    const frames = history.paths[path];
    const own = new Set(history.own);
    const found = [...frames].reverse().find((frame) => own.has(frame)) ?? frames[frames.length - 1];
    return found === undefined ? '' : history.frames[found];
  };
  const whole = (path) => (path < 0 ? [] : [...history.paths[path]].reverse().map((frame) => history.frames[frame]));
  const place = (call, path) => {
    const text = [history.calls[call], innermost(path)].filter((part) => part).join(' at ');
    if (path < 0) return [text || 'not known'];
    return [element('details', {}, element('summary', {}, text || 'not known'),
      element('ol', {class: 'stack'}, ...whole(path).map((frame) => element('li', {}, element('code', {}, frame)))))];
  };

  function draw() {
    const lane = lanes.get(picker.list.value).get(Number(numbers.list.value));
    drawLane(lane);
    const rows = [...lane.lives.map((life) => ({time: life[0], life})),
      ...lane.incidents.map((incident) => ({time: incident[0], incident}))]
      .sort((a, b) => a.time - b.time).slice(-MOST_ROWS);
    const body = element('tbody', {}, ...rows.map(({life, incident}, index) => (life
      ? element('tr', {id: `life-${index}`},
        element('td', {}, seconds(life[0])), element('td', {}, life[6] & 2 ? 'open to the end' : seconds(life[1])),
        element('td', {}, life[6] & 1 ? 'inherited; ' : '', ...place(life[3], life[2]),
          history.calls[life[8]] ? `, a stream's since ${history.calls[life[8]]}` : ''),
        element('td', {}, ...(life[6] & 2 ? ['—'] : place(life[5], life[4]))),
        element('td', {}, life[7] >= 0 ? history.targets[life[7]] : ''))
      : element('tr', {}, element('td', {}, seconds(incident[0])), element('td', {class: 'bad'},
        incident[1] === 1 ? 'hit another\'s' : 'close failed'),
      element('td', {}), element('td', {class: 'bad'}, ...place(incident[3], incident[2])), element('td', {})))));
    const head = ['from', 'to', 'opened by', 'closed by', 'what'].map((name) => element('th', {scope: 'col'}, name));
    table.replaceChildren(element('table', {}, element('caption', {hidden: true}, 'Lives of the number'),
      element('thead', {}, element('tr', {}, ...head)), body));
    if (lane.n > lane.lives.length) {
      table.append(element('p', {}, `${lane.n - lane.lives.length} earlier lives were left out.`));
    }
  }

  function drawLane(lane) {
    const width = Math.max(chart.clientWidth, 280);
    const times = lane.lives.flatMap((life) => [life[0], life[1] ?? history.duration])
      .concat(lane.incidents.map((incident) => incident[0]));
    const first = Math.min(...times), last = Math.max(...times);
    const pad = Math.max((last - first) * 0.02, 1e-6);
    const x = scaleLinear([first - pad, last + pad], [MARGIN.left, width - MARGIN.right]);
    const colors = new Map();
    select(chart).selectAll('svg').remove();
    const svg = select(chart).append('svg').attr('viewBox', `0 0 ${width} ${HEIGHT}`).attr('height', HEIGHT)
      .attr('role', 'img').attr('aria-label',
        `Number ${lane.fd}: ${lane.n} lives, ${lane.incidents.length} closes that failed or hit another's. The table lists each.`);
    svg.append('g').attr('class', 'axis').attr('transform', `translate(0,${HEIGHT - MARGIN.bottom})`)
      .call(axisBottom(x).ticks(width < 500 ? 3 : 7).tickFormat((value) => `${+value.toFixed(6)} s`));
    for (const life of lane.lives) {
      if (!colors.has(life[2])) colors.set(life[2], colors.size % 8);
      const until = life[1] ?? history.duration;
      const group = svg.append('g').attr('class', life[6] & 1 ? 'life inherited' : 'life');
      group.append('rect').attr('class', `f${colors.get(life[2])}`).attr('x', x(life[0])).attr('y', MARGIN.top + 6)
        .attr('width', Math.max(2, x(until) - x(life[0]))).attr('height', HEIGHT - MARGIN.top - MARGIN.bottom - 12);
      group.append('title').text(`${seconds(life[0])} to ${life[6] & 2 ? 'the end' : seconds(life[1])}: ${innermost(life[2])}`);
    }
    for (const incident of lane.incidents) {
      svg.append('path').attr('class', 'incident')
        .attr('d', `M-5,-5L5,5M5,-5L-5,5`).attr('transform', `translate(${x(incident[0])},${HEIGHT / 2 - 9})`)
        .append('title').text(`${seconds(incident[0])}: ${incident[1] === 1 ? 'hit another\'s' : 'close failed'} at ${innermost(incident[2])}`);
    }
  }
  const found = history.lanes.find((lane) => lane.found) ?? history.lanes[0];
  picker.list.value = history.processes[found.p].id;
  onResize(view, draw);
  fill(found.fd);
  return (process, fd) => {
    if (!lanes.get(process)?.has(fd)) return;
    picker.list.value = process;
    fill(fd);
    document.getElementById('numbers').scrollIntoView();
    numbers.list.focus();
  };
}
