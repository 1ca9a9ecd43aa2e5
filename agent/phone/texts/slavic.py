# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones are meant
"""Czech, Polish, Russian."""

from agent.phone.words import Words

SLAVIC = {
    "cs": Words(
        pin=(
            "Vítejte zpět. Budete mluvit s umělou inteligencí. Cena za minutu: {price} kreditů, "
            "počítáno od jejího prvního slova. Zadejte svůj šestimístný PIN a stiskněte křížek."
        ),
        code="Zadejte osmimístný kód, který vám ukazuje stránka.",
        unknown=(
            "Toto je telefonní linka k umělé inteligenci. Cena za minutu: {price} kreditů, placeno "
            "předem. Tento hovor nic nestojí a nyní končí. Založte si účet na {site}, přidejte tam "
            "toto číslo a PIN a zavolejte znovu. Na slyšenou."
        ),
        wrong="To nebylo správně.",
        verified=(
            "Děkuji. Toto číslo je nyní vaše. Nastavte si PIN na {site} a zavolejte znovu. "
            "Na slyšenou."
        ),
        locked="Bylo příliš mnoho pokusů. Zkuste to znovu za {minutes} min. Na slyšenou.",
        silent="Neslyšel jsem žádnou klávesu. Na slyšenou.",
        menu=(
            "Stiskněte 1 a začneme, 2 pro výběr postavy, 3 pro výběr jazyka, 9 pro zopakování, "
            "0 pro spojovatelku."
        ),
        choice="{key}: {name}.",
        language="Pro češtinu stiskněte {key}.",
        more="Pro další stiskněte 8.",
        back="Stiskněte 9 pro zopakování, 0 pro návrat.",
        connecting="Přepojuji vás.",
        operator_away="Na ústředně teď nikdo není. Napište nám na {site}.",
        price="Cena tohoto hovoru za minutu: {price} kreditů.",
        no_credit="Váš kredit na hovor nestačí. Dobijte si ho na {site}. Na slyšenou.",
        free_used="Vaše volné minuty jsou vyčerpány. Dobijte si kredit na {site}. Na slyšenou.",
        busy="Váš účet už je v jiném hovoru. Nejdřív ho ukončete. Na slyšenou.",
        frozen="Váš účet je zatím uzavřen. Podívejte se na {site}. Na slyšenou.",
        no_capacity="Všechny linky jsou obsazené. Zavolejte za chvíli znovu. Na slyšenou.",
        not_allowed="Tato volba není vašemu účtu dostupná. Podívejte se na {site}. Na slyšenou.",
        trouble="Něco se u nás pokazilo. Tento hovor nic nestál. Zavolejte prosím znovu.",
    ),
    "pl": Words(
        pin=(
            "Witaj ponownie. Będziesz rozmawiać ze sztuczną inteligencją. Cena za minutę: {price} "
            "kredytów, licząc od jej pierwszego słowa. Wpisz swój sześciocyfrowy PIN i naciśnij "
            "krzyżyk."
        ),
        code="Wpisz ośmiocyfrowy kod, który pokazuje strona.",
        unknown=(
            "To jest linia telefoniczna do sztucznej inteligencji. Cena za minutę: {price} "
            "kredytów, płatne z góry. Ta rozmowa nic nie kosztuje i teraz się kończy. Załóż konto "
            "na {site}, dodaj tam ten numer i PIN, i zadzwoń ponownie. Do usłyszenia."
        ),
        wrong="To nie było poprawne.",
        verified=(
            "Dziękuję. Ten numer należy teraz do ciebie. Ustaw PIN na {site} i zadzwoń ponownie. "
            "Do usłyszenia."
        ),
        locked="Było zbyt wiele prób. Spróbuj ponownie za {minutes} min. Do usłyszenia.",
        silent="Nie słyszę żadnego klawisza. Do usłyszenia.",
        menu=(
            "Naciśnij 1, aby zacząć, 2, aby wybrać postać, 3, aby wybrać język, 9, aby usłyszeć "
            "to jeszcze raz, 0, aby połączyć się z centralą."
        ),
        choice="{key}: {name}.",
        language="Język polski: naciśnij {key}.",
        more="Więcej: naciśnij 8.",
        back="Naciśnij 9, aby usłyszeć to jeszcze raz, 0, aby wrócić.",
        connecting="Łączę.",
        operator_away="W centrali nikogo teraz nie ma. Napisz do nas na {site}.",
        price="Cena tej rozmowy za minutę: {price} kredytów.",
        no_credit="Twoje kredyty nie wystarczą na rozmowę. Doładuj na {site}. Do usłyszenia.",
        free_used="Twoje darmowe minuty się skończyły. Doładuj na {site}. Do usłyszenia.",
        busy="Na twoim koncie trwa inna rozmowa. Najpierw ją zakończ. Do usłyszenia.",
        frozen="Twoje konto jest na razie zamknięte. Zajrzyj na {site}. Do usłyszenia.",
        no_capacity="Wszystkie linie są zajęte. Zadzwoń za chwilę. Do usłyszenia.",
        not_allowed="Ten wybór nie jest dostępny dla twojego konta. Zajrzyj na {site}.",
        trouble="Coś poszło nie tak po naszej stronie. Ta rozmowa była darmowa. Zadzwoń znów.",
    ),
    "ru": Words(
        pin=(
            "С возвращением. Вы будете говорить с искусственным интеллектом. Цена минуты: {price} "
            "кредитов, считая с его первого слова. Введите ваш шестизначный ПИН и нажмите решётку."
        ),
        code="Введите восьмизначный код, который показывает страница.",
        unknown=(
            "Это телефонная линия искусственного интеллекта. Цена минуты: {price} кредитов, оплата "
            "вперёд. Этот звонок ничего не стоит и сейчас закончится. Создайте учётную запись на "
            "{site}, добавьте там этот номер и ПИН и позвоните снова. До свидания."
        ),
        wrong="Это неверно.",
        verified=(
            "Спасибо. Теперь этот номер ваш. Задайте ПИН на {site} и позвоните снова. До свидания."
        ),
        locked="Слишком много попыток. Попробуйте снова через {minutes} мин. До свидания.",
        silent="Ни одна клавиша не была нажата. До свидания.",
        menu=(
            "Нажмите 1, чтобы начать, 2, чтобы выбрать персонажа, 3, чтобы выбрать язык, 9, чтобы "
            "услышать это ещё раз, 0, чтобы связаться с оператором."
        ),
        choice="{key}: {name}.",
        language="Русский язык: нажмите {key}.",
        more="Ещё: нажмите 8.",
        back="Нажмите 9, чтобы услышать это ещё раз, 0, чтобы вернуться.",
        connecting="Соединяю.",
        operator_away="Оператора сейчас нет. Напишите нам на {site}.",
        price="Цена минуты этого звонка: {price} кредитов.",
        no_credit="Кредитов не хватает на звонок. Пополните счёт на {site}. До свидания.",
        free_used="Бесплатные минуты закончились. Пополните счёт на {site}. До свидания.",
        busy="С вашей учётной записи уже идёт звонок. Сначала закончите его. До свидания.",
        frozen="Ваша учётная запись пока закрыта. Посмотрите на {site}. До свидания.",
        no_capacity="Все линии заняты. Позвоните чуть позже. До свидания.",
        not_allowed="Этот выбор недоступен вашей учётной записи. Посмотрите на {site}.",
        trouble="У нас что-то пошло не так. Этот звонок ничего не стоил. Позвоните ещё раз.",
    ),
}
