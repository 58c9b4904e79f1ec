"""Words by which mail programs mark quotations, by language.

Structure finds most quotations (:mod:`bridge.smtp.reading.quotes`); these words decide if structure
is not enough.
"""

from __future__ import annotations

import re

#: "wrote" in the languages whose attributions may lack an address or a date.
WROTE = re.compile(
    r"\b(?:wrote|writes|written by|said|schrieb|schreef|geschreven|a écrit|écrit|escribió|"
    r"escreveu|"
    r"ha scritto|scrisse|napisa[łl](?:\(a\)|a)?|pisze|napsala?|napsal\(a\)|píše|napísal\(?a?\)?|"
    r"skrev|"
    r"skrifaði|kirjoitti|kirjutas|ezt írta|írta|a scris|scris|yazdı|şunu yazdı|"
    r"пише|писав|писала|написав|написала|пишет|писал|писала|писали|написал|написала|написали|написа|пиша|έγραψε|"
    r"rakstīja|rašė|napisao|napisala|je napisal|đã viết|menulis|tulis|skreiv|escribiu|написано|"
    r"написао|пiша|піша|напісаў|жазды|yozdi|գրել է|წერს|დაწერა)\b|写道|寫道|写于|寫於|のメール|"
    r"さんは書きました|작성|כתב|كتب|نوشت|เขียน|"
    # Horde writes it before the name.
    r"\A(?:quoting|citando|zitat von|citation de|quota|cytowanie|citát|citerar|citerer|цитирую|"
    r"цитую|idézet|alıntılandı|navajam)\b",
    re.IGNORECASE,
)

#: The labels of quoted headers, by meaning.
LABELS = {
    word.casefold(): meaning
    for meaning, words in {
        "from": (
            "from|von|de|da|van|od|от|від|fra|från|lähettäjä|kimden|feladó|từ|dari|από|"
            "差出人|发件人|寄件者|寄件人|보낸 사람|보낸사람|送信者|מאת|من|expéditeur|"
            "remitente|mittente|afzender|"
            "absender|nadawca|odesílatel|відправник|отправитель|saatja|nuo|no|pošiljatelj|"
            "expeditor|gönderen|از|จาก|de la|šalje|од|ад|daripada|प्रेषक|кімнен|nork|"
            "გამგზავნი|ვისგან|người gửi|से|frá|nga|kimdən|ումից|kimdan|ó|oddi wrth"
        ),
        "date": (
            "date|sent|datum|gesendet|fecha|enviado|enviado el|enviada em|enviado em|data|inviato|"
            "envoyé|le|verzonden|datum verzonden|dato|sendt|skickat|lähetetty|päivämäärä|"
            "gönderildi|tarih|gönderme tarihi|küldve|elküldve|dátum|odoslané|odesláno|wysłano|"
            "data wysłania|дата|отправлено|надіслано|відправлено|выслано|送信日時|日付|日時|"
            "发送时间|"
            "发送日期|日期|寄件日期|傳送時間|보낸 날짜|날짜|נשלח|תאריך|التاريخ|"
            "تاريخ الإرسال|trimis|poslano|"
            "envoyé le|στάλθηκε|보낸날짜|"
            "date d'envoi|sent at|created|received|saadetud|išsiųsta|nosūtīts|εστάλη|ημερομηνία|"
            "đã gửi|ngày|terkirim|dikirim|tanggal|ส่ง|วันที่|изпратено|дата и время|"
            "послато|poslato|испратено|адпраўлена|dihantar|भेजा गया|жіберілді|enviat|bidalia|"
            "ارسال شده|gönderilme zamanı|გაგზავნილი|dërguar|göndərildi|ուղարկվել է|yuborildi|"
            "dáta|seolta|anfonwyd|보냄|ngày gửi|expediat|თარიღი|күні"
        ),
        "to": (
            "to|an|à|a|para|pour|per|naar|aan|til|till|vastaanottaja|kime|címzett|komu|do|кому|"
            "adresat|宛先|收件人|收件者|받는 사람|받는사람|אל|إلى|către|za|cc|kopie|cópia|"
            "copia|kopia|"
            "kopi|копия|копія|bilgi|másolatot kap|抄送|副本|참조|destinataire|destinatario|"
            "do:|saaja|"
            "kam|"
            "kas|προς|đến|kepada|ถึง|до|prima|каму|प्रति|кімге|per a|nori|به|ადრესატი|për|"
            "kimə|ում|kimga|chuig|alıcı|adressaat|tới|người nhận|pentru|ვის|को"
        ),
        "subject": (
            "subject|thema|betreff|objet|oggetto|asunto|assunto|onderwerp|emne|ämne|aihe|konu|tárgy|"
            "předmět|predmet|temat|тема|件名|主题|主旨|제목|נושא|الموضوع|subiect|zadeva|teema|tema|"
            "temats|θέμα|chủ đề|subjek|perihal|เรื่อง|относно|re|"
            "tēma|предмет|тэма|विषय|тақырыбы|assumpte|gaia|موضوع|თემა|efni|subjekti|mövzu|"
            "թեմա|mavzu|ábhar|pwnc|tiêu đề"
        ),
    }.items()
    for word in words.split("|")
}

#: Between the rules of "-----Original Message-----" …
ORIGINAL = re.compile(
    r"origin|oryginaln|orijinal|oprindelig|opprinnelig|oorspronkelijk|ursprün|ursprung|исходн|"
    r"оригинал|оригінал|початков|вихідн|původní|pôvodn|eredeti|alkuper|izvorn|izvirn|prvotn|"
    r"algne|sākotnēj|oriģināl|pradin|αρχικ|πρωτότυπ|gốc|asli\b|özgün|מקורית|الأصلي|"
    r"元の|原始|原件|原邮件|原郵件|원본|ต้นฉบับ|reply|replied|antwort|yanıt",
    re.IGNORECASE,
)

#: "message" beside "original", where the word alone may be one of the text: "Original price".
MESSAGE = re.compile(
    r"messag|mensaje|mensagem|nachricht|mail|courriel|bericht|wiadomo|сообщ|письм|писмо|повідом|"
    r"лист|zpráv|správ|üzenet|ileti|mesaj|viesti|meddel|melding|besked|poruk|sporoč|sõnum|ziņ|laišk|"
    r"žinut|μήνυμα|thư|הודעה|رسالة|メッセージ|邮件|郵件|메일|메시지|ข้อความ|pesan|порака|порук|паведам",
    re.IGNORECASE,
)

#: The line of a help desk: "##- Please type your reply above this line -##".
REPLY_LINE = re.compile(
    r"##-.{3,150}-##|.{0,60}\b(?:repl(?:y|ies)|respon\w+|answers?|comments?)\b.{0,40}"
    r"\babove (?:this|the) (?:\w+ )?line\b.{0,40}|.{0,40}\babove this line\b.{0,30}"
    r"\b(?:reply|respond|answer|comment)\b.{0,20}",
    re.IGNORECASE,
)

#: … and of "-------- Forwarded Message --------".
PASSED_ON = re.compile(
    r"forward|weitergeleitet|transf[ée]r|transmis|reenviad|encaminhad|inoltrat|doorgestuurd|"
    r"videresend|пересыл|пересил|перенаправ|препрат|prosleđ|reenvia|framsen|ส่งต่อ|"
    r"vidarebef|välitetty|przekaz|přeposl|tovább|iletil|redirec|пересл|переадрес|转发|轉寄|"
    r"轉發|転送|전달|"
    r"הועבר|توجيه|προωθ|preposl|proslij|posredov|edastatud|pārsūt|persiųst|diteruskan|chuyển tiếp",
    re.IGNORECASE,
)
