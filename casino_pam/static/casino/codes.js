// A promo code, entered for one of the player's wallets.

export class PromoCodes {
  constructor(form, enter) {
    this.form = form;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { code, currency } = form.elements;
      const button = form.querySelector("button");
      button.disabled = true;
      if (await enter(code.value.trim(), currency.value)) form.reset();
      button.disabled = false;
    });
  }

  // Whoever has one wallet is not asked which; before the wallets are known there is nothing to enter a code for.
  know(currencies) {
    this.form.querySelector("button").disabled = currencies.length === 0;
    const select = this.form.elements.currency;
    const chosen = select.value;
    select.replaceChildren(...currencies.map((currency) => new Option(currency)));
    if (currencies.includes(chosen)) select.value = chosen;
    select.parentElement.hidden = currencies.length < 2;
  }
}
