// Descriptors over time: a curve for each process, its limit, and where the table was full.

import {axisBottom, axisLeft} from 'd3-axis';
import {scaleLinear} from 'd3-scale';
import {select} from 'd3-selection';
import {curveStepAfter, line} from 'd3-shape';

import {choice, element, onResize, plural, viewOf} from './dom.js';

const MOST_CURVES = 8;
const HEIGHT = 280;
const MARGIN = {top: 12, right: 16, bottom: 28, left: 48};

const nameOf = (process) => `${process.id} ${process.name} (${process.pid})`;

/** `onmoment`: called with the time where somebody clicks. Returns what moves the marked moment. */
export function setUpTime(history, onmoment) {
  const view = viewOf('time');
  const ranked = [...history.processes].sort((a, b) => b.peak - a.peak);
  let chosen = '';
  let moment = null;
  const chart = element('div');
  const detail = element('p', {class: 'detail', 'aria-live': 'polite'});
  const options = [['', ranked.length > MOST_CURVES ? `the ${MOST_CURVES} with most` : 'all'],
    ...history.processes.map((process) => [process.id, nameOf(process)])];
  const picker = choice('process', options, (value) => { chosen = value; draw(); });
  view.append(element('div', {class: 'controls'}, picker.label), chart, detail);

  function draw() {
    const shown = chosen === '' ? ranked.slice(0, MOST_CURVES) : ranked.filter((one) => one.id === chosen);
    const width = Math.max(chart.clientWidth, 280);
    const top = Math.max(4, ...shown.map((one) => Math.max(...one.open, 0)));
    // A limit far above all curves would press them flat: then it is written in words.
    const limit = Math.min(...shown.map((one) => one.limit || Infinity));
    const showsLimit = limit <= 4 * top;
    const x = scaleLinear([0, Math.max(history.duration, 1e-6)], [MARGIN.left, width - MARGIN.right]);
    const y = scaleLinear([0, showsLimit ? Math.max(top, limit) * 1.05 : top * 1.1], [HEIGHT - MARGIN.bottom, MARGIN.top]);
    const svg = select(chart).selectAll('svg').data([0]).join('svg').attr('viewBox', `0 0 ${width} ${HEIGHT}`)
      .attr('height', HEIGHT).attr('role', 'img')
      .attr('aria-label', shown.map((one) => `${nameOf(one)}: at most ${one.peak} open`).join('; '));
    svg.selectAll('*').remove();
    svg.append('g').attr('class', 'axis').attr('transform', `translate(0,${HEIGHT - MARGIN.bottom})`)
      .call(axisBottom(x).ticks(width < 500 ? 4 : 8).tickFormat((value) => `${value} s`));
    svg.append('g').attr('class', 'axis').attr('transform', `translate(${MARGIN.left},0)`).call(axisLeft(y).ticks(5));
    const path = line().x((point) => x(point[0])).y((point) => y(point[1])).curve(curveStepAfter);
    shown.forEach((one, index) => {
      const points = one.t.map((time, i) => [time, one.open[i]]);
      if (points.length > 0) points.push([one.end ?? history.duration, points[points.length - 1][1]]);
      svg.append('path').attr('class', `curve f${index % 8}`).attr('d', path(points));
      for (const time of one.full) {
        svg.append('path').attr('class', 'full').attr('d', 'M0,-7L5,2L-5,2Z')
          .attr('transform', `translate(${x(time)},${y(one.limit || top) - 2})`)
          .append('title').text(`${nameOf(one)}: the table was full at ${time} s`);
      }
    });
    if (showsLimit) {
      svg.append('line').attr('class', 'limit').attr('x1', x.range()[0]).attr('x2', x.range()[1])
        .attr('y1', y(limit)).attr('y2', y(limit));
      svg.append('text').attr('x', x.range()[1]).attr('y', y(limit) - 4).attr('text-anchor', 'end').text(`limit ${limit}`);
    }
    if (moment !== null) {
      svg.append('line').attr('class', 'moment').attr('x1', x(moment)).attr('x2', x(moment))
        .attr('y1', MARGIN.top).attr('y2', HEIGHT - MARGIN.bottom);
    }
    svg.on('click', function (event) {
      // D3 5 hands handlers the datum, later versions the event.
      const at = event?.clientX === undefined ? globalThis.event : event;
      const box = this.getBoundingClientRect();
      const time = x.invert((at.clientX - box.left) * width / box.width);
      onmoment(Math.min(Math.max(time, 0), history.duration));
    });
    const key = element('ul', {class: 'key'}, ...shown.map((one, index) =>
      element('li', {}, element('span', {class: `swatch b${index % 8}`}), nameOf(one),
        `, at most ${one.peak}${one.limit ? ` of ${one.limit}` : ''}${one.full.length ? `, full ${plural(one.full.length, 'time')}` : ''}`)));
    chart.querySelector('.key')?.remove();
    chart.append(key);
    detail.textContent = history.complete ? 'A click chooses the moment of the call paths below.'
      : 'The journal lost its oldest events: early parts of the curves may be too low. A click chooses the moment below.';
  }
  onResize(view, draw);
  draw();
  return (time) => { moment = time; draw(); };
}
