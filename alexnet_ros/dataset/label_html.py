"""The page of ``alexnet_ros label``: one file, no other sources."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Label pictures</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px system-ui, sans-serif; margin: 1rem; background: #fff; color: #111; }
img { max-width: 100%; max-height: 65vh; display: block; background: #ddd; min-height: 8rem; }
button { font: inherit; padding: .6rem 1rem; margin: .4rem .4rem .4rem 0; }
button small { color: #555; } #trouble { color: #b00020; min-height: 1.4em; }
</style></head><body>
<img id="picture" alt="the picture to label">
<div id="classes"></div>
<div>
<button data-do="skip">Skip <small>space</small></button>
<button data-do="undo">Undo <small>u</small></button>
<button data-do="scene">New scene <small>n</small></button>
</div>
<p id="status" role="status"></p><p id="trouble" role="alert"></p>
<script>
const byId = id => document.getElementById(id);
let state = {classes: [], counts: [], frame: null}, shown = null, busy = false;
function draw(next) {
  state = next;
  const box = byId('classes');
  if (box.children.length !== state.classes.length) {
    box.replaceChildren(...state.classes.map((name, place) => {
      const button = document.createElement('button');
      button.addEventListener('click', () => label(place));
      return button;
    }));
  }
  state.classes.forEach((name, place) => {
    const key = place < 9 ? ` [${place + 1}]` : '';
    box.children[place].textContent = `${name}${key}: ${state.counts[place]}`;
  });
  const part = state.part ? `, goes to ${state.part}` : '';
  byId('status').textContent = state.frame === null
    ? 'no picture (the end, or the camera is silent)' : `scene ${state.scene}${part}`;
  if (state.frame !== shown) {
    shown = state.frame;
    byId('picture').src = shown === null ? '' : `/frame.jpg?${shown}`;
  }
}
async function post(action, values = {}) {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch('/' + action, {method: 'POST', body: JSON.stringify(values),
      headers: {'Content-Type': 'application/json'}});
    const found = await answer.json();
    byId('trouble').textContent = found.error || '';
    if (!found.error) draw(found);
  } catch (error) { byId('trouble').textContent = 'the command has ended'; }
  busy = false;
}
function label(place) {
  if (place < state.classes.length && shown !== null)
    post('label', {frame: shown, class: state.classes[place]});
}
document.querySelectorAll('[data-do]').forEach(button =>
  button.addEventListener('click', () => post(button.dataset.do)));
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key >= '1' && event.key <= '9') label(Number(event.key) - 1);
  else if (event.key === ' ') { event.preventDefault(); post('skip'); }
  else if (event.key === 'u') post('undo');
  else if (event.key === 'n') post('scene');
});
async function poll() {
  if (!busy) try { draw(await (await fetch('/state')).json()); } catch (error) { /* it ended */ }
  setTimeout(poll, 250);
}
poll();
</script></body></html>
"""
