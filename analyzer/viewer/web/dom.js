// Elements made without markup: all text is text, whatever a trace holds.

/** `attributes`: values as given; true = present, null or false = absent; "on…" = a listener. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

export function choice(label, options, onchange) {
  const list = element('select', {onchange: () => onchange(list.value)});
  for (const [value, text] of options) list.append(element('option', {value}, text));
  return {label: element('label', {}, label, list), list};
}

export const seconds = (time) => (time === null ? 'still open' : `${time.toFixed(6)} s`);

export const plural = (count, one) => `${count} ${one}${count === 1 ? '' : 's'}`;

/** The view's box of a section. */
export const viewOf = (id) => document.querySelector(`#${id} .view`);

/** Calls `draw` when the width of `box` has changed: what it draws changes the height. */
export function onResize(box, draw) {
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    draw();
  }).observe(box);
}
