"""The words of the letter to the friend (letter.py), in English and French: paragraphs by what they tell."""

ENGLISH = {
    "subject": "Backup MX for {domain}",
    "greeting": (
        "Hello,\n\n{server} is ready to take mail for {domain} while your own server is away, and hands it on as "
        "soon as that is back. Here is what is left to do on your side."
    ),
    "mx": (
        "1. DNS. Your zone needs this line. The number has to be higher than that of your own server, so that "
        "mail comes here only while yours does not answer:"
    ),
    "unknown": "(Your MX records could not be asked for: choose a number higher than all of yours.)",
    "there": "(It is there already.)",
    "sts": (
        "2. MTA-STS. {domain} has a policy (mode {mode}). Add this line to "
        "https://mta-sts.{domain}/.well-known/mta-sts.txt, then change the id in the TXT record "
        "_mta-sts.{domain}:"
    ),
    "sts-there": "2. MTA-STS. {domain} has a policy (mode {mode}), and we are in it. Nothing is to be done.",
    "sts-none": "2. MTA-STS. {domain} has no policy. Nothing is to be done; if you make one, put us into it.",
    "accept": (
        "3. Your server must take from us whatever we bring, for we took it in your name: no SPF check, no grey "
        "list, no block list, no rate limit, no refusal for what it looks like. What you refuse then, we must "
        "send back to people who often never wrote it. Our addresses are:"
    ),
    "no-address": "(They could not be found in DNS: ask us for them.)",
    "test": (
        "4. To test from outside, on a machine that is neither yours nor ours, with Python 3.6 and a copy of our "
        "folder /usr/lib/mxbackup, in that folder:"
    ),
    "by-hand": (
        "By hand: telnet {server} 25, then HELO, MAIL FROM, and RCPT TO:<postmaster@{domain}>, which has to be "
        "answered with 250."
    ),
    "etrn": (
        "5. After an outage mail comes by itself, but perhaps hours later. To have it at once, say to us on port "
        "25: EHLO and your server's name, then ETRN {domain}. Or write to {contact}."
    ),
    "ask": (
        "5. After an outage mail comes by itself, but perhaps hours later. To have it at once, write to "
        "{contact}."
    ),
    "recipients": (
        "6. If you send us the list of your addresses (plain text, one a line, to {contact}), we can refuse mail "
        "for others at once, as you would. Without it we take all, spam for invented names too. Send it again "
        "when it changes."
    ),
    "end": "If something is not as it should be, write to {contact}.",
}

FRENCH = {
    "subject": "MX de secours pour {domain}",
    "greeting": (
        "Bonjour,\n\n{server} est prêt à recevoir le courrier de {domain} quand votre serveur est absent, et le "
        "lui remet dès son retour. Voici ce qu'il vous reste à faire."
    ),
    "mx": (
        "1. DNS. Votre zone a besoin de cette ligne. Le numéro doit être plus grand que celui de votre serveur, "
        "pour que le courrier ne vienne ici que lorsque le vôtre ne répond pas\u00a0:"
    ),
    "unknown": (
        "(Vos enregistrements MX n'ont pu être demandés\u00a0: choisissez un numéro plus grand que tous les "
        "vôtres.)"
    ),
    "there": "(Elle y est déjà.)",
    "sts": (
        "2. MTA-STS. {domain} a une politique (mode {mode}). Ajoutez cette ligne à "
        "https://mta-sts.{domain}/.well-known/mta-sts.txt, puis changez l'id de l'enregistrement TXT "
        "_mta-sts.{domain}\u00a0:"
    ),
    "sts-there": "2. MTA-STS. {domain} a une politique (mode {mode}), et nous y sommes. Il n'y a rien à faire.",
    "sts-none": (
        "2. MTA-STS. {domain} n'a pas de politique. Il n'y a rien à faire\u00a0; si vous en publiez une, "
        "mettez-nous dedans."
    ),
    "accept": (
        "3. Votre serveur doit accepter tout ce que nous lui apportons, car nous l'avons accepté en votre "
        "nom\u00a0: ni contrôle SPF, ni liste grise, ni liste noire, ni limite de débit, ni refus selon le "
        "contenu. Ce que vous refusez alors, nous devons le renvoyer à des gens qui souvent n'ont rien écrit. Nos"
        " adresses sont\u00a0:"
    ),
    "no-address": "(Elles ne se trouvent pas dans le DNS\u00a0: demandez-les-nous.)",
    "test": (
        "4. Pour tester de l'extérieur, sur une machine qui n'est ni à vous ni à nous, avec Python 3.6 et une "
        "copie de notre dossier /usr/lib/mxbackup, dans ce dossier\u00a0:"
    ),
    "by-hand": (
        "À la main\u00a0: telnet {server} 25, puis HELO, MAIL FROM, et RCPT TO:<postmaster@{domain}>, à quoi le "
        "serveur doit répondre 250."
    ),
    "etrn": (
        "5. Après une panne le courrier revient de lui-même, mais parfois des heures plus tard. Pour l'avoir tout"
        " de suite, dites-nous sur le port 25\u00a0: EHLO et le nom de votre serveur, puis ETRN {domain}. Ou "
        "écrivez à {contact}."
    ),
    "ask": (
        "5. Après une panne le courrier revient de lui-même, mais parfois des heures plus tard. Pour l'avoir tout"
        " de suite, écrivez à {contact}."
    ),
    "recipients": (
        "6. Si vous nous envoyez la liste de vos adresses (texte simple, une par ligne, à {contact}), nous "
        "pourrons refuser aussitôt le courrier pour d'autres, comme vous le feriez. Sans elle nous prenons tout, "
        "même les pourriels pour des noms inventés. Renvoyez-la quand elle change."
    ),
    "end": "Si quelque chose n'est pas comme il faut, écrivez à {contact}.",
}
LANGUAGES = {"en": ENGLISH, "fr": FRENCH}
