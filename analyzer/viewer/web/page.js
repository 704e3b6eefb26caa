// What the page can do beyond being read. Its data are a JSON element made by history.cc, and the findings' own markup.

import {setUpFindings} from './findings.js';
import {setUpNumbers} from './numbers.js';
import {setUpPaths} from './paths.js';
import {setUpTime} from './time.js';

const history = JSON.parse(document.getElementById('history').textContent);

for (const part of document.querySelectorAll('.scripted')) part.hidden = false;

document.getElementById('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
});

let showNumber = null;
if (history !== null) {
  showNumber = setUpNumbers(history);
  let markTime = () => {};
  const choosePaths = setUpPaths(history, (time) => markTime(time));
  markTime = setUpTime(history, (time) => { choosePaths(time); markTime(time); });
  const names = {call_paths: 'call paths', numbers: 'numbers', lives: 'lives of numbers'};
  const left = Object.entries(history.omitted).map(([name, count]) => `${count} ${names[name] ?? name}`);
  const omitted = document.getElementById('omitted');
  omitted.textContent = `Left out of the charts to keep the page small: ${left.join(', ')}.`;
  omitted.hidden = left.length === 0;
} else {
  document.getElementById('omitted').hidden = true;
}
setUpFindings(showNumber);
