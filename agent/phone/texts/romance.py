"""Spanish, French, Italian, Portuguese."""

from agent.phone.words import Words

ROMANCE = {
    "es": Words(
        pin=(
            "Hola de nuevo. Vas a hablar con una inteligencia artificial. Un minuto cuesta {price} "
            "créditos, contados desde su primera palabra. Marca tu PIN de seis cifras y pulsa "
            "almohadilla."
        ),
        code="Marca el código de ocho cifras que te muestra la página.",
        unknown=(
            "Esta es una línea de teléfono con una inteligencia artificial. Un minuto cuesta "
            "{price} créditos, pagados por adelantado. Esta llamada no cuesta nada y termina "
            "ahora. Crea una cuenta en {site}, añade allí este número y un PIN, y vuelve a "
            "llamar. Adiós."
        ),
        wrong="No es correcto.",
        verified=(
            "Gracias. Este número ya es tuyo. Elige un PIN en {site} y vuelve a llamar. Adiós."
        ),
        locked="Ha habido demasiados intentos. Inténtalo de nuevo en {minutes} min. Adiós.",
        silent="No he oído ninguna tecla. Adiós.",
        menu=(
            "Pulsa 1 para empezar, 2 para elegir un personaje, 3 para elegir un idioma, 9 para "
            "oír esto otra vez, 0 para la operadora."
        ),
        choice="{key}: {name}.",
        language="Para español, pulsa {key}.",
        more="Para más, pulsa 8.",
        back="Pulsa 9 para oír esto otra vez, 0 para volver.",
        connecting="Te paso.",
        operator_away="Ahora no hay nadie en la centralita. Escríbenos en {site}.",
        price="Esta llamada cuesta {price} créditos por minuto.",
        no_credit="Tu crédito no alcanza para una llamada. Recarga en {site}. Adiós.",
        free_used="Tus minutos gratis se han acabado. Recarga en {site}. Adiós.",
        busy="Tu cuenta ya está en otra llamada. Termina esa primero. Adiós.",
        frozen="Tu cuenta está cerrada por ahora. Mira en {site}. Adiós.",
        no_capacity="Todas las líneas están ocupadas. Llama de nuevo en un momento. Adiós.",
        not_allowed="Esta opción no está abierta para tu cuenta. Mira en {site}. Adiós.",
        trouble=(
            "Algo ha fallado por nuestra parte. Esta llamada no ha costado nada. Vuelve a llamar, "
            "por favor. Adiós."
        ),
    ),
    "fr": Words(
        pin=(
            "Content de te retrouver. Tu vas parler à une intelligence artificielle. Une minute "
            "coûte {price} crédits, comptés dès son premier mot. Tape ton code PIN à six "
            "chiffres, puis dièse."
        ),
        code="Tape le code à huit chiffres que la page t'affiche.",
        unknown=(
            "Cette ligne te relie à une intelligence artificielle. Une minute coûte {price} "
            "crédits, payés d'avance. Cet appel ne coûte rien et se termine maintenant. Crée un "
            "compte sur {site}, ajoutes-y ce numéro et un code PIN, puis rappelle. Au revoir."
        ),
        wrong="Ce n'était pas juste.",
        verified=(
            "Merci. Ce numéro est à toi. Choisis un code PIN sur {site} et rappelle. Au revoir."
        ),
        locked="Il y a eu trop d'essais. Réessaie dans {minutes} min. Au revoir.",
        silent="Je n'ai entendu aucune touche. Au revoir.",
        menu=(
            "Tape 1 pour commencer, 2 pour choisir un personnage, 3 pour choisir une langue, 9 "
            "pour réécouter, 0 pour le standard."
        ),
        choice="{key} : {name}.",
        language="Pour le français, tape {key}.",
        more="Pour la suite, tape 8.",
        back="Tape 9 pour réécouter, 0 pour revenir.",
        connecting="Je te mets en relation.",
        operator_away="Il n'y a personne au standard. Écris-nous sur {site}.",
        price="Cet appel coûte {price} crédits la minute.",
        no_credit="Ton crédit ne suffit pas pour un appel. Recharge sur {site}. Au revoir.",
        free_used="Tes minutes gratuites sont épuisées. Recharge sur {site}. Au revoir.",
        busy="Ton compte est déjà en ligne. Termine d'abord cet appel. Au revoir.",
        frozen="Ton compte est fermé pour l'instant. Regarde sur {site}. Au revoir.",
        no_capacity="Toutes les lignes sont occupées. Rappelle dans un instant. Au revoir.",
        not_allowed="Ce choix n'est pas ouvert à ton compte. Regarde sur {site}. Au revoir.",
        trouble=(
            "Il y a eu un problème chez nous. Cet appel n'a rien coûté. Rappelle, s'il te plaît. "
            "Au revoir."
        ),
    ),
    "it": Words(
        pin=(
            "Bentornato. Parlerai con un'intelligenza artificiale. Un minuto costa {price} "
            "crediti, contati dalla sua prima parola. Digita il tuo PIN di sei cifre e premi "
            "cancelletto."
        ),
        code="Digita il codice di otto cifre che ti mostra la pagina.",
        unknown=(
            "Questa è una linea telefonica con un'intelligenza artificiale. Un minuto costa "
            "{price} crediti, pagati in anticipo. Questa chiamata non costa nulla e finisce ora. "
            "Crea un account su {site}, aggiungi lì questo numero e un PIN, e richiama. "
            "Arrivederci."
        ),
        wrong="Non era giusto.",
        verified=(
            "Grazie. Ora questo numero è tuo. Scegli un PIN su {site} e richiama. Arrivederci."
        ),
        locked="Ci sono stati troppi tentativi. Riprova tra {minutes} min. Arrivederci.",
        silent="Non ho sentito nessun tasto. Arrivederci.",
        menu=(
            "Premi 1 per iniziare, 2 per scegliere un personaggio, 3 per scegliere una lingua, 9 "
            "per riascoltare, 0 per il centralino."
        ),
        choice="{key}: {name}.",
        language="Per l'italiano, premi {key}.",
        more="Per altri, premi 8.",
        back="Premi 9 per riascoltare, 0 per tornare indietro.",
        connecting="Ti metto in contatto.",
        operator_away="Al centralino ora non c'è nessuno. Scrivici su {site}.",
        price="Questa chiamata costa {price} crediti al minuto.",
        no_credit="Il tuo credito non basta per una chiamata. Ricarica su {site}. Arrivederci.",
        free_used="I tuoi minuti gratuiti sono finiti. Ricarica su {site}. Arrivederci.",
        busy="Il tuo account è già in chiamata. Termina prima quella. Arrivederci.",
        frozen="Il tuo account per ora è chiuso. Guarda su {site}. Arrivederci.",
        no_capacity="Tutte le linee sono occupate. Richiama tra un momento. Arrivederci.",
        not_allowed="Questa scelta non è aperta al tuo account. Guarda su {site}. Arrivederci.",
        trouble=(
            "Qualcosa è andato storto da parte nostra. Questa chiamata non è costata nulla. "
            "Richiama, per favore. Arrivederci."
        ),
    ),
    "pt": Words(
        pin=(
            "Que bom ter você de volta. Você vai falar com uma inteligência artificial. Um minuto "
            "custa {price} créditos, contados a partir da primeira palavra. Digite seu PIN de "
            "seis dígitos e aperte jogo da velha."
        ),
        code="Digite o código de oito dígitos que a página mostra.",
        unknown=(
            "Esta é uma linha telefônica com uma inteligência artificial. Um minuto custa {price} "
            "créditos, pagos antes. Esta ligação não custa nada e termina agora. Crie uma conta "
            "em {site}, adicione lá este número e um PIN, e ligue de novo. Tchau."
        ),
        wrong="Não estava certo.",
        verified=(
            "Obrigado. Este número agora é seu. Escolha um PIN em {site} e ligue de novo. Tchau."
        ),
        locked="Houve tentativas demais. Tente de novo em {minutes} min. Tchau.",
        silent="Não ouvi nenhuma tecla. Tchau.",
        menu=(
            "Aperte 1 para começar, 2 para escolher um personagem, 3 para escolher um idioma, 9 "
            "para ouvir de novo, 0 para a telefonista."
        ),
        choice="{key}: {name}.",
        language="Para português, aperte {key}.",
        more="Para mais, aperte 8.",
        back="Aperte 9 para ouvir de novo, 0 para voltar.",
        connecting="Estou transferindo você.",
        operator_away="Não há ninguém na central agora. Escreva para nós em {site}.",
        price="Esta ligação custa {price} créditos por minuto.",
        no_credit="Seu crédito não dá para uma ligação. Recarregue em {site}. Tchau.",
        free_used="Seus minutos grátis acabaram. Recarregue em {site}. Tchau.",
        busy="Sua conta já está em outra ligação. Termine aquela primeiro. Tchau.",
        frozen="Sua conta está fechada por enquanto. Veja em {site}. Tchau.",
        no_capacity="Todas as linhas estão ocupadas. Ligue de novo daqui a pouco. Tchau.",
        not_allowed="Esta escolha não está aberta para a sua conta. Veja em {site}. Tchau.",
        trouble=(
            "Algo deu errado do nosso lado. Esta ligação não custou nada. Ligue de novo, por "
            "favor. Tchau."
        ),
    ),
}
