"""Danish, German, English, Finnish, Dutch, Norwegian, Swedish."""

from agent.phone.words import Words

NORTHERN = {
    "da": Words(
        pin=(
            "Velkommen tilbage. Du kommer til at tale med en AI. Et minut koster {price} credits, "
            "regnet fra det første ord. Indtast din sekscifrede pinkode og tryk på firkant."
        ),
        code="Indtast den ottecifrede kode, som siden viser dig.",
        unknown=(
            "Dette er en telefonlinje til en AI. Et minut koster {price} credits, som betales på "
            "forhånd. Dette opkald koster ikke noget og slutter nu. Opret en konto på {site}, "
            "tilføj dette nummer og en pinkode der, og ring igen. Farvel."
        ),
        wrong="Det var ikke rigtigt.",
        verified=("Tak. Dette nummer er nu dit. Vælg en pinkode på {site}, og ring igen. Farvel."),
        locked="Der har været for mange forsøg. Prøv igen om {minutes} min. Farvel.",
        silent="Jeg hørte ingen tast. Farvel.",
        menu=(
            "Tryk 1 for at begynde, 2 for at vælge en figur, 3 for at vælge sprog, 9 for at høre "
            "dette igen, 0 for omstillingen."
        ),
        choice="{key}: {name}.",
        language="Tryk {key} for dansk.",
        more="Tryk 8 for flere.",
        back="Tryk 9 for at høre dette igen, 0 for at gå tilbage.",
        connecting="Jeg stiller dig om.",
        operator_away="Der er ingen ved omstillingen lige nu. Skriv til os på {site}.",
        price="Dette opkald koster {price} credits i minuttet.",
        no_credit="Du har ikke nok credits til et opkald. Tank op på {site}. Farvel.",
        free_used="Dine gratis minutter er brugt. Tank op på {site}. Farvel.",
        busy="Din konto er allerede i et opkald. Afslut det først. Farvel.",
        frozen="Din konto er lukket for tiden. Se på {site}. Farvel.",
        no_capacity="Alle linjer er optaget. Ring igen om et øjeblik. Farvel.",
        not_allowed="Dette valg er ikke åbent for din konto. Se på {site}. Farvel.",
        trouble=(
            "Noget gik galt hos os. Dette opkald kostede ikke noget. Ring venligst igen. Farvel."
        ),
    ),
    "de": Words(
        pin=(
            "Willkommen zurück. Du sprichst mit einer KI. Eine Minute kostet {price} Credits, "
            "gezählt ab ihrem ersten Wort. Gib deine sechsstellige PIN ein, dann die Raute."
        ),
        code="Gib den achtstelligen Code ein, den die Seite zeigt.",
        unknown=(
            "Hier sprichst du am Telefon mit einer KI. Eine Minute kostet {price} Credits, im "
            "Voraus bezahlt. Dieser Anruf kostet nichts und endet jetzt. Lege auf {site} ein "
            "Konto an, trage dort diese Nummer und eine PIN ein und ruf wieder an. Tschüss."
        ),
        wrong="Das war nicht richtig.",
        verified=(
            "Danke. Diese Nummer gehört jetzt dir. Setze auf {site} eine PIN und ruf wieder an. "
            "Tschüss."
        ),
        locked="Das waren zu viele Versuche. Versuch es in {minutes} Min. wieder. Tschüss.",
        silent="Ich habe keine Taste gehört. Tschüss.",
        menu=(
            "Drücke 1, um zu beginnen, 2 für die Wahl einer Figur, 3 für eine Sprache, 9, um das "
            "noch einmal zu hören, 0 für die Vermittlung."
        ),
        choice="{key}: {name}.",
        language="Für Deutsch drücke {key}.",
        more="Mehr mit 8.",
        back="Noch einmal mit 9, zurück mit 0.",
        connecting="Ich verbinde dich.",
        operator_away="Die Vermittlung ist gerade nicht besetzt. Schreib uns auf {site}.",
        price="Dieser Anruf kostet {price} Credits in der Minute.",
        no_credit="Dein Guthaben reicht nicht für einen Anruf. Lade es auf {site} auf. Tschüss.",
        free_used="Deine freien Minuten sind verbraucht. Lade auf {site} auf. Tschüss.",
        busy="Dein Konto ist schon in einem Gespräch. Beende zuerst das andere. Tschüss.",
        frozen="Dein Konto ist zurzeit gesperrt. Sieh auf {site} nach. Tschüss.",
        no_capacity="Alle Leitungen sind besetzt. Ruf gleich wieder an. Tschüss.",
        not_allowed="Diese Wahl steht deinem Konto nicht offen. Sieh auf {site} nach. Tschüss.",
        trouble=(
            "Bei uns ist etwas schiefgegangen. Dieser Anruf hat nichts gekostet. Ruf bitte wieder "
            "an. Tschüss."
        ),
    ),
    "en": Words(
        pin=(
            "Welcome back. You will talk to an AI. A minute costs {price} credits, counted from "
            "its first word. Please enter your six digit PIN, then press hash."
        ),
        code="Please enter the eight digit code that the page shows you.",
        unknown=(
            "This is a telephone line to an AI. A minute costs {price} credits, paid in advance. "
            "This call costs nothing and ends now. Make an account at {site}, add this number and "
            "a PIN there, and call again. Goodbye."
        ),
        wrong="That was not right.",
        verified=(
            "Thank you. This number is yours now. Set a PIN at {site} and call again. Goodbye."
        ),
        locked="There were too many attempts. Please try again in {minutes} minutes. Goodbye.",
        silent="I did not hear a key. Goodbye.",
        menu=(
            "Press 1 to begin, 2 to choose a character, 3 to choose a language, 9 to hear this "
            "again, 0 for the operator."
        ),
        choice="{key}: {name}.",
        language="For English press {key}.",
        more="For more press 8.",
        back="Press 9 to hear this again, 0 to go back.",
        connecting="I am connecting you.",
        operator_away="There is nobody at the desk now. Please write to us at {site}.",
        price="This call costs {price} credits a minute.",
        no_credit="Your credit is not enough for a call. Please top up at {site}. Goodbye.",
        free_used="Your free minutes are used up. Please top up at {site}. Goodbye.",
        busy="Your account is in another call. Please end that one first. Goodbye.",
        frozen="Your account is closed for now. Please look at {site}. Goodbye.",
        no_capacity="All lines are busy. Please call again in a moment. Goodbye.",
        not_allowed="This choice is not open to your account. Please look at {site}. Goodbye.",
        trouble=(
            "Something went wrong on our side. This call cost nothing. Please call again. Goodbye."
        ),
    ),
    "fi": Words(
        pin=(
            "Tervetuloa takaisin. Puhut tekoälyn kanssa. Minuutti maksaa {price} krediittiä, "
            "laskettuna ensimmäisestä sanasta. Näppäile kuusinumeroinen tunnuslukusi ja ruutu."
        ),
        code="Näppäile kahdeksannumeroinen koodi, jonka sivu näyttää.",
        unknown=(
            "Tämä on puhelinlinja tekoälylle. Minuutti maksaa {price} krediittiä, jotka maksetaan "
            "etukäteen. Tämä puhelu ei maksa mitään ja päättyy nyt. Luo tili osoitteessa {site}, "
            "lisää sinne tämä numero ja tunnusluku, ja soita uudelleen. Kuulemiin."
        ),
        wrong="Se ei ollut oikein.",
        verified=(
            "Kiitos. Tämä numero on nyt sinun. Aseta tunnusluku osoitteessa {site} ja soita "
            "uudelleen. Kuulemiin."
        ),
        locked="Yrityksiä oli liikaa. Yritä uudelleen, odotusaika {minutes} min. Kuulemiin.",
        silent="En kuullut näppäintä. Kuulemiin.",
        menu=(
            "Paina 1 aloittaaksesi, 2 valitaksesi hahmon, 3 valitaksesi kielen, 9 kuullaksesi "
            "tämän uudelleen, 0 saadaksesi vaihteen."
        ),
        choice="{key}: {name}.",
        language="Suomeksi: paina {key}.",
        more="Lisää: paina 8.",
        back="Paina 9 kuullaksesi tämän uudelleen, 0 palataksesi.",
        connecting="Yhdistän sinut.",
        operator_away="Vaihteessa ei ole nyt ketään. Kirjoita meille osoitteessa {site}.",
        price="Tämä puhelu maksaa {price} krediittiä minuutilta.",
        no_credit="Saldosi ei riitä puheluun. Lataa lisää osoitteessa {site}. Kuulemiin.",
        free_used="Ilmaiset minuuttisi on käytetty. Lataa lisää osoitteessa {site}. Kuulemiin.",
        busy="Tililläsi on jo puhelu käynnissä. Lopeta se ensin. Kuulemiin.",
        frozen="Tilisi on toistaiseksi suljettu. Katso {site}. Kuulemiin.",
        no_capacity="Kaikki linjat ovat varattuja. Soita hetken kuluttua uudelleen. Kuulemiin.",
        not_allowed="Tämä valinta ei ole avoinna tilillesi. Katso {site}. Kuulemiin.",
        trouble=(
            "Meillä meni jotain vikaan. Tämä puhelu ei maksanut mitään. Soita uudelleen. Kuulemiin."
        ),
    ),
    "nl": Words(
        pin=(
            "Welkom terug. Je praat met een AI. Een minuut kost {price} credits, geteld vanaf het "
            "eerste woord. Toets je pincode van zes cijfers in en druk op hekje."
        ),
        code="Toets de code van acht cijfers in die de pagina toont.",
        unknown=(
            "Dit is een telefoonlijn naar een AI. Een minuut kost {price} credits, vooraf "
            "betaald. Dit gesprek kost niets en eindigt nu. Maak een account op {site}, voeg daar "
            "dit nummer en een pincode toe en bel opnieuw. Tot ziens."
        ),
        wrong="Dat was niet goed.",
        verified=(
            "Dank je. Dit nummer is nu van jou. Kies een pincode op {site} en bel opnieuw. "
            "Tot ziens."
        ),
        locked="Er waren te veel pogingen. Probeer het over {minutes} min. opnieuw. Tot ziens.",
        silent="Ik heb geen toets gehoord. Tot ziens.",
        menu=(
            "Druk 1 om te beginnen, 2 om een personage te kiezen, 3 om een taal te kiezen, 9 om "
            "dit nog eens te horen, 0 voor de centrale."
        ),
        choice="{key}: {name}.",
        language="Voor Nederlands, druk {key}.",
        more="Voor meer, druk 8.",
        back="Druk 9 om dit nog eens te horen, 0 om terug te gaan.",
        connecting="Ik verbind je door.",
        operator_away="Er is nu niemand bij de centrale. Schrijf ons op {site}.",
        price="Dit gesprek kost {price} credits per minuut.",
        no_credit="Je tegoed is niet genoeg voor een gesprek. Waardeer op via {site}. Tot ziens.",
        free_used="Je gratis minuten zijn op. Waardeer op via {site}. Tot ziens.",
        busy="Je account is al in gesprek. Beëindig dat eerst. Tot ziens.",
        frozen="Je account is voorlopig gesloten. Kijk op {site}. Tot ziens.",
        no_capacity="Alle lijnen zijn bezet. Bel zo nog eens. Tot ziens.",
        not_allowed="Deze keuze staat niet open voor je account. Kijk op {site}. Tot ziens.",
        trouble="Er ging bij ons iets mis. Dit gesprek kostte niets. Bel alsjeblieft opnieuw.",
    ),
    "no": Words(
        pin=(
            "Velkommen tilbake. Du skal snakke med en KI. Et minutt koster {price} credits, regnet "
            "fra det første ordet. Tast den sekssifrede pinkoden din og trykk firkant."
        ),
        code="Tast den åttesifrede koden som siden viser deg.",
        unknown=(
            "Dette er en telefonlinje til en KI. Et minutt koster {price} credits, betalt på "
            "forhånd. Denne samtalen koster ingenting og slutter nå. Lag en konto på {site}, legg "
            "til dette nummeret og en pinkode der, og ring igjen. Ha det."
        ),
        wrong="Det var ikke riktig.",
        verified="Takk. Dette nummeret er nå ditt. Velg pinkode på {site} og ring igjen. Ha det.",
        locked="Det var for mange forsøk. Prøv igjen om {minutes} min. Ha det.",
        silent="Jeg hørte ingen tast. Ha det.",
        menu=(
            "Trykk 1 for å begynne, 2 for å velge en figur, 3 for å velge språk, 9 for å høre "
            "dette igjen, 0 for sentralbordet."
        ),
        choice="{key}: {name}.",
        language="For norsk, trykk {key}.",
        more="For flere, trykk 8.",
        back="Trykk 9 for å høre dette igjen, 0 for å gå tilbake.",
        connecting="Jeg setter deg over.",
        operator_away="Det er ingen på sentralbordet nå. Skriv til oss på {site}.",
        price="Denne samtalen koster {price} credits i minuttet.",
        no_credit="Du har ikke nok credits til en samtale. Fyll på på {site}. Ha det.",
        free_used="Gratisminuttene dine er brukt opp. Fyll på på {site}. Ha det.",
        busy="Kontoen din er allerede i en samtale. Avslutt den først. Ha det.",
        frozen="Kontoen din er stengt for tiden. Se på {site}. Ha det.",
        no_capacity="Alle linjer er opptatt. Ring igjen om et øyeblikk. Ha det.",
        not_allowed="Dette valget er ikke åpent for kontoen din. Se på {site}. Ha det.",
        trouble="Noe gikk galt hos oss. Denne samtalen kostet ingenting. Ring igjen. Ha det.",
    ),
    "sv": Words(
        pin=(
            "Välkommen tillbaka. Du kommer att tala med en AI. En minut kostar {price} krediter, "
            "räknat från det första ordet. Slå din sexsiffriga pinkod och tryck på fyrkant."
        ),
        code="Slå den åttasiffriga koden som sidan visar dig.",
        unknown=(
            "Det här är en telefonlinje till en AI. En minut kostar {price} krediter, som betalas "
            "i förväg. Det här samtalet kostar ingenting och slutar nu. Skapa ett konto på {site}, "
            "lägg till det här numret och en pinkod där, och ring igen. Hej då."
        ),
        wrong="Det var inte rätt.",
        verified="Tack. Numret är nu ditt. Välj en pinkod på {site} och ring igen. Hej då.",
        locked="Det var för många försök. Försök igen om {minutes} min. Hej då.",
        silent="Jag hörde ingen knapp. Hej då.",
        menu=(
            "Tryck 1 för att börja, 2 för att välja en figur, 3 för att välja språk, 9 för att "
            "höra det här igen, 0 för växeln."
        ),
        choice="{key}: {name}.",
        language="För svenska, tryck {key}.",
        more="För fler, tryck 8.",
        back="Tryck 9 för att höra det här igen, 0 för att gå tillbaka.",
        connecting="Jag kopplar dig.",
        operator_away="Det är ingen i växeln just nu. Skriv till oss på {site}.",
        price="Det här samtalet kostar {price} krediter i minuten.",
        no_credit="Dina krediter räcker inte till ett samtal. Fyll på på {site}. Hej då.",
        free_used="Dina gratisminuter är slut. Fyll på på {site}. Hej då.",
        busy="Ditt konto är redan i ett samtal. Avsluta det först. Hej då.",
        frozen="Ditt konto är stängt för tillfället. Se på {site}. Hej då.",
        no_capacity="Alla linjer är upptagna. Ring igen om en stund. Hej då.",
        not_allowed="Det valet är inte öppet för ditt konto. Se på {site}. Hej då.",
        trouble="Något gick fel hos oss. Det här samtalet kostade ingenting. Ring igen. Hej då.",
    ),
}
