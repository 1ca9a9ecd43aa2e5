/** What a caller can choose, and what is chosen until they do. */

export const VOICES = ['Ara', 'Rex', 'Sal', 'Eve', 'Leo'];

/** Code -> the language's own name. The service knows exactly these. */
export const LANGUAGES = {
  ar: 'العربية',
  cs: 'Čeština',
  da: 'Dansk',
  de: 'Deutsch',
  en: 'English',
  es: 'Español',
  fi: 'Suomi',
  fr: 'Français',
  hi: 'हिन्दी',
  it: 'Italiano',
  ja: '日本語',
  ko: '한국어',
  nl: 'Nederlands',
  no: 'Norsk',
  pl: 'Polski',
  pt: 'Português',
  ru: 'Русский',
  sv: 'Svenska',
  tr: 'Türkçe',
  zh: '中文',
};

export const INSTRUCTIONS =
  'You are a warm, playful companion on a phone call. Speak in short sentences, ask back, and ' +
  'remember what was said. When asked, say honestly that you are an AI.';

/** The first of the browser's languages that the service speaks; English otherwise. */
export function preferredLanguage(browserLanguages) {
  const codes = browserLanguages.map((tag) => tag.toLowerCase().split('-')[0]);
  const norwegian = codes.map((code) => (code === 'nb' || code === 'nn' ? 'no' : code));
  return norwegian.find((code) => code in LANGUAGES) ?? 'en';
}

/** Voice names of an answer of /api/voices, in its order; the usual five when it holds none. */
export function voiceNames(answer) {
  const rows = Array.isArray(answer) ? answer : answer?.data;
  const names = Array.isArray(rows) ? rows.map((row) => row?.name) : [];
  const known = names.filter((name) => typeof name === 'string' && name);
  return known.length > 0 ? [...new Set(known)] : VOICES;
}
