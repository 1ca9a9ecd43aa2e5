"""What somebody in a call is told when the top-up that happens by itself did not work."""

from typing import Final

from shared.languages import of_language

_WORDS: Final = {
    "ar": "لم تنجح إعادة الشحن التلقائية. يُرجى التحقق من وسيلة الدفع.",
    "cs": "Automatické dobití se nezdařilo. Zkontrolujte prosím svou platební metodu.",
    "da": "Den automatiske optankning lykkedes ikke. Tjek din betalingsmetode.",
    "de": "Die automatische Aufladung hat nicht geklappt. Bitte prüfe deine Zahlungsart.",
    "en": "The automatic top-up did not work. Please check your payment method.",
    "es": "La recarga automática no ha funcionado. Comprueba tu método de pago.",
    "fi": "Automaattinen lataus ei onnistunut. Tarkista maksutapasi.",
    "fr": "La recharge automatique n'a pas fonctionné. Vérifie ton moyen de paiement.",
    "hi": "अपने आप होने वाला रिचार्ज नहीं हो पाया। कृपया अपना भुगतान का तरीका जाँचें।",
    "it": "La ricarica automatica non è riuscita. Controlla il tuo metodo di pagamento.",
    "ja": "自動チャージができませんでした。お支払い方法をご確認ください。",
    "ko": "자동 충전에 실패했습니다. 결제 수단을 확인해 주세요.",
    "nl": "Het automatisch opwaarderen is niet gelukt. Controleer je betaalmethode.",
    "no": "Den automatiske påfyllingen virket ikke. Sjekk betalingsmåten din.",
    "pl": "Automatyczne doładowanie się nie powiodło. Sprawdź swoją metodę płatności.",
    "pt": "A recarga automática não funcionou. Verifique sua forma de pagamento.",
    "ru": "Автоматическое пополнение не удалось. Проверьте, пожалуйста, способ оплаты.",
    "sv": "Den automatiska påfyllningen fungerade inte. Kontrollera ditt betalningssätt.",
    "tr": "Otomatik yükleme yapılamadı. Lütfen ödeme yöntemini kontrol et.",  # noqa: RUF001 - Turkish
    "zh": "自动充值失败。请检查您的付款方式。",
}

LANGUAGES: Final = frozenset(_WORDS)


def topup_failed_in(language: str) -> str:
    """In the language of the call; in English for one that is not among `LANGUAGES`."""
    return of_language(_WORDS, language)
