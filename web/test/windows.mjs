// What tests do with a window of the arena: look, press and write, as a person would.

/** Runs in the page: keeps what stood there for a moment only. */
export function listen() {
  globalThis.told = [];
  const look = () => {
    for (const part of document.querySelectorAll('.note, .attacked')) globalThis.told.push(part.textContent);
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}
/** Waits until the window shows the text. */
export const sees = async ({ name, page }, text, selector = 'body') => {
  const shown = (text, selector) =>
    [...document.querySelectorAll(selector)].some((part) => part.textContent.includes(text));
  try {
    await page.waitForFunction(shown, { polling: 100 }, text, selector);
  } catch (error) {
    const body = await page.evaluate(() => document.body.textContent).catch(() => '');
    throw new Error(`${name} does not see '${text}' in ${selector}, but:\n${body}`, { cause: error });
  }
};
/** Waits until the window was told so, even if that is gone again. */
export const isTold = async ({ name, page }, text) => {
  const was = (text) => globalThis.told.some((words) => words.includes(text));
  try {
    await page.waitForFunction(was, { polling: 100 }, text);
  } catch (error) {
    throw new Error(`${name} is not told '${text}', but: ${await page.evaluate(() => globalThis.told)}`, {
      cause: error,
    });
  }
};
/** Waits for a button or link that can be pressed, by its name as a screen reader says it, and presses it. */
export const press = async ({ name: window, page }, name) => {
  try {
    await page.locator(`aria/${name}`).click();
  } catch (error) {
    const body = await page.evaluate(() => document.body.textContent).catch(() => '');
    throw new Error(`${window} cannot press '${name}' in:\n${body}`, { cause: error });
  }
};
export const fill = ({ page }, selector, value) => page.locator(selector).fill(value);
