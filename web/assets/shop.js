/**
 * What is sold, in words and numbers. Pure: answers of the API in, rows of the shop out.
 *
 * Amounts of the API are whole numbers of the currency's smallest unit: 500 are 5 dollars, 500 yen.
 */

/** Currencies without a smaller unit, and with thousandths, as Stripe counts them. */
const WHOLE = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf'.split(' '));
const THOUSANDTHS = new Set('bhd jod kwd omr tnd'.split(' '));
const PREFERRED = 'usd';

const credits = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const creditWords = (amount) => `${credits.format(Math.floor(amount))} credits`;

/** $5.00, €5.00, ¥500 */
export function priceWords(amount, currency) {
  const digits = decimals(currency);
  return new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(amount / 10 ** digits);
}

/** 5, 7.50: an amount as it is typed into a field. */
export function typed(amount, currency) {
  const digits = decimals(currency);
  const unit = 10 ** digits;
  return amount % unit === 0 ? String(amount / unit) : (amount / unit).toFixed(digits);
}

/** The amount somebody typed, with a point or a comma; null for what is none. */
export function amountIn(text, currency) {
  const match = /^(\d{1,7})(?:[.,](\d{1,3}))?$/.exec(text.trim());
  const digits = decimals(currency);
  if (!match || (match[2] ?? '').length > digits) return null;
  return Number(match[1] + (match[2] ?? '').padEnd(digits, '0'));
}

/** The currencies of packages and free amounts, the preferred one first. */
export function currenciesOf({ packages, amounts }) {
  const all = [...packages, ...amounts].map((row) => row.currency);
  const rank = (currency) => (currency === PREFERRED ? 0 : 1);
  return [...new Set(all)].sort((one, other) => rank(one) - rank(other));
}

/** Rows {id, name, credits, price, extra} of the packages in one currency. */
export function packageRows({ packages }, currency) {
  return packages
    .filter((row) => row.currency === currency)
    .map((row) => ({
      id: row.id,
      name: row.name,
      credits: creditWords(row.credits),
      price: priceWords(row.amount, row.currency),
      extra: row.bonusCredits > 0 ? bonusWords(row) : '',
    }));
}

/** The same rows of the plans that can be subscribed to. */
export function planRows({ data }) {
  return data
    .filter((plan) => plan.isOffered)
    .map((plan) => ({
      id: plan.id,
      name: plan.name,
      credits: `${creditWords(plan.credits)} each month`,
      price: `${priceWords(plan.amount, plan.currency)} a month`,
      extra: plan.firstMonthPercentOff ? `first month ${plan.firstMonthPercentOff}% off` : '',
    }));
}

/** {currency, amountMin, amountMax, creditsPerUnit} of free amounts, or null. */
export function rateOf({ amounts }, currency) {
  return amounts.find((row) => row.currency === currency) ?? null;
}

/** The words below a free amount: what it buys, or which amounts there are. */
export function amountWords(amount, rate) {
  const { amountMin, amountMax, creditsPerUnit, currency } = rate;
  if (amount === null || amount < amountMin || amount > amountMax) {
    return `From ${priceWords(amountMin, currency)} to ${priceWords(amountMax, currency)}.`;
  }
  return `${priceWords(amount, currency)} buys ${creditWords(amount * creditsPerUnit)}.`;
}

/** The address of a page of the payment provider. Throws TypeError for anything else. */
export function pageAddress(url) {
  const { protocol, href } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') throw new TypeError('not a page');
  return href;
}

function bonusWords({ bonusCredits, promotion }) {
  const bonus = `${creditWords(bonusCredits)} of it free`;
  return promotion ? `${promotion}: ${bonus}` : bonus;
}

function decimals(currency) {
  if (WHOLE.has(currency)) return 0;
  return THOUSANDTHS.has(currency) ? 3 : 2;
}
