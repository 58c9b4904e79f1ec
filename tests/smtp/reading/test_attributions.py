"""Attributions of mail programs, in many languages, wrapped or not."""

from __future__ import annotations

import textwrap

import pytest

from bridge.smtp.reading.quotes import Reply, cut_quotes

#: By program or language; ``{n}`` is the name, ``{a}`` the address.
ATTRIBUTIONS = {
    "en": "On Thu, Nov 26, 2026 at 10:04 AM {n} <{a}> wrote:",
    "de": "Am Do., 26. Nov. 2026 um 10:04 Uhr schrieb {n} <{a}>:",
    "de2": "{n} <{a}> schrieb am Do., 26. Nov. 2026, 10:04:",
    "fr": "Le jeu. 26 nov. 2026 à 10:04, {n} <{a}> a écrit :",
    "es": "El jue, 26 nov 2026 a las 10:04, {n} (<{a}>) escribió:",
    "it": "Il giorno gio 26 nov 2026 alle ore 10:04 {n} <{a}> ha scritto:",
    "it2": "Il gio 26 nov 2026, 10:04 {n} <{a}> ha scritto:",
    "pt": "Em qui., 26 de nov. de 2026 às 10:04, {n} <{a}> escreveu:",
    "nl": "Op do 26 nov 2026 om 10:04 schreef {n} <{a}>:",
    "nl2": "Op 26 nov. 2026 om 10:04 heeft {n} <{a}> het volgende geschreven:",
    "pl": "czw., 26 lis 2026 o 10:04 {n} <{a}> napisał(a):",
    "pl2": "W dniu czw., 26.11.2026 o 10:04 {n} <{a}> napisał(a):",
    "cs": "čt 26. 11. 2026 v 10:04 odesílatel {n} <{a}> napsal:",
    "sk": "št 26. 11. 2026 o 10:04 {n} <{a}> napísal(a):",
    "hu": "{n} <{a}> ezt írta (időpont: 2026. nov. 26., Cs, 10:04):",
    "ro": "În joi, 26 nov. 2026 la 10:04, {n} <{a}> a scris:",
    "bg": "На чт, 26.11.2026 г. в 10:04 {n} <{a}> написа:",
    "sr": "чет, 26. нов 2026. у 10:04 {n} <{a}> је написао/ла:",
    "srl": "čet, 26. nov 2026. u 10:04 {n} <{a}> je napisao/la:",
    "hr": "čet, 26. stu 2026. u 10:04 {n} <{a}> napisao je:",
    "sl": "V V čet., 26. nov. 2026 ob 10:04 je oseba {n} <{a}> napisala:",
    "el": "Στις Πέμ 26 Νοε 2026 στις 10:04 π.μ., ο χρήστης {n} <{a}> έγραψε:",
    "tr": "{n} <{a}>, 26 Kas 2026 Per, 10:04 tarihinde şunu yazdı:",
    "fi": "to 26. marrask. 2026 klo 10.04 {n} ({a}) kirjoitti:",
    "sv": "Den tors 26 nov. 2026 kl 10:04 skrev {n} <{a}>:",
    "da": "Den tors. 26. nov. 2026 kl. 10.04 skrev {n} <{a}>:",
    "no": "tor. 26. nov. 2026 kl. 10:04 skrev {n} <{a}>:",
    "et": "Kuupäev N, 26. november 2026 kell 10:04 kirjutas {n} <{a}>:",
    "lv": "ceturtd., 2026. g. 26. nov., plkst. 10:04 — lietotājs {n} (<{a}>) rakstīja:",
    "lt": "2026-11-26, kt, 10:04 {n} <{a}> rašė:",
    "he": "בתאריך יום ה׳, 26 בנוב׳ 2026 ב-10:04 מאת \u202a{n}\u202c <\u202a{a}\u202c>:\u202c",
    "ar": "في الخميس، ٢٦ نوفمبر ٢٠٢٦ في ١٠:٠٤ ص تمت كتابة ما يلي بواسطة "
    "\u202a{n}\u202c\u200f <\u202a{a}\u202c\u200f>:",
    "fa": "در تاریخ پنجشنبه ۲۶ نوامبر ۲۰۲۶،\u200f ۱۰:۰۴ {n} <{a}> نوشت:",
    "hi": "गुरु, 26 नव॰ 2026 को 10:04 am बजे को {n} <{a}> ने लिखा:",
    "bn": "বৃহঃ, ২৬ নভে, ২০২৬ তারিখে ১০:০৪ AM টায় তারিখে {n} <{a}> লিখেছেন:",
    "ta": "வியா., 26 நவ., 2026, முற்பகல் 10:04 அன்று, {n} <{a}> எழுதியது:",
    "th": "ในวันที่ พฤ. 26 พ.ย. 2026 เวลา 10:04 {n} <{a}> เขียนว่า:",
    "thb": "เมื่อ พฤ. 26 พ.ย. 2569 เวลา 10:04 {n} <{a}> เขียนว่า:",
    "vi": "Vào Th 5, 26 thg 11, 2026 vào lúc 10:04 {n} <{a}> đã viết:",
    "id": "Pada tanggal Kam, 26 Nov 2026 pukul 10.04 {n} <{a}> menulis:",
    "ms": "Pada Kha, 26 Nov 2026 pada 10:04 PG {n} <{a}> menulis:",
    "ja": "2026年11月26日(木) 10:04 {n} <{a}>:",
    "ja2": "2026年11月26日(木) 午前10:04 {n} <{a}>:",
    "ko": "2026년 11월 26일 (목) 오전 10:04, {n} <{a}>님이 작성:",
    "zh": "{n} <{a}> 于2026年11月26日周四 10:04写道：",
    "zht": "{n} <{a}> 於 2026年11月26日 週四 上午10:04寫道：",
    "uk": "чт, 26 лист. 2026 р. о 10:04 {n} <{a}> пише:",
    "ru": "чт, 26 нояб. 2026 г. в 10:04, {n} <{a}>:",
    "be": "чт, 26 лiс 2026 г. у 10:04 {n} <{a}> напісаў:",
    "ka": "ხუთ, 26 ნოე. 2026, 10:04-ზე {n} <{a}> დაწერა:",
    "hy": "Հնգ, 26 նոյ. 2026 թ., 10:04 {n} <{a}>-ն գրել է՝",
    "kk": "бс, 26 қар. 2026 ж., 10:04 {n} <{a}> жазды:",
    "ca": "Missatge de {n} <{a}> del dia dj., 26 de nov. 2026 a les 10:04:",
    "eu": "{n} (<{a}>) erabiltzaileak hau idatzi du (2026 aza. 26, og. (10:04)):",
    "gl": "O xov, 26 nov 2026 ás 10:04, {n} (<{a}>) escribiu:",
    "is": "Þann fim., 26. nóv. 2026 kl. 10:04 skrifaði {n} <{a}>:",
    "mk": "чет., 26 ное. 2026 г., во 10:04 {n} <{a}> напиша:",
    "sq": "Më enj, 26 nën 2026, 10:04 {n} <{a}> shkroi:",
    "af": "Op Do., 26 Nov. 2026 om 10:04 het {n} <{a}> geskryf:",
    "sw": "Mnamo Alh, 26 Nov 2026 saa 10:04 {n} <{a}> aliandika:",
    "az": "{n} <{a}> 26 noy 2026, C.a., 10:04 tarixində yazdı:",
    "uz": "{n} <{a}>, 26-noy, 2026-yil, Pay 10:04 da yozdi:",
    "ur": "بتاریخ جمعرات، 26 نومبر 2026 کو 10:04 AM پر {n} <{a}> نے لکھا:",
    "apple_en": "On 26 Nov 2026, at 10:04, {n} <{a}> wrote:",
    "apple_fr": "Le 26 nov. 2026 à 10:04, {n} <{a}> a écrit :",
    "apple_uk": "26 лист. 2026 р. о 10:04 {n} <{a}> написав(ла):",
    "apple_ru": "26 нояб. 2026 г., в 10:04, {n} <{a}> написал(а):",
    "apple_cs": "26. 11. 2026 v 10:04, {n} <{a}>:",
    "apple_pt": "No dia 26/11/2026, às 10:04, {n} <{a}> escreveu:",
    "apple_hu": "2026. nov. 26. dátummal, 10:04 időpontban {n} <{a}> írta:",
    "apple_ko": "2026. 11. 26. 오전 10:04, {n} <{a}> 작성:",
    "apple_zh": "2026年11月26日 10:04，{n} <{a}> 写道：",
    "apple_ja": "2026/11/26 10:04、{n} <{a}>のメール:",
    "tb_en": "On 11/26/26 10:04, {n} wrote:",
    "tb_en2": "On 2026-11-26 10:04, {n} wrote:",
    "tb_de": "Am 26.11.26 um 10:04 schrieb {n}:",
    "tb_fr": "Le 26/11/2026 à 10:04, {n} a écrit :",
    "tb_ru": "26.11.2026 10:04, {n} пишет:",
    "tb_uk": "26.11.26 10:04, {n} пише:",
    "tb_it": "Il 26/11/26 10:04, {n} ha scritto:",
    "tb_es": "El 26/11/26 a las 10:04, {n} escribió:",
    "tb_pl": "W dniu 26.11.2026 o 10:04, {n} pisze:",
    "tb_ja": "On 2026/11/26 10:04, {n} wrote:",
    "tb_fi": "{n} kirjoitti 26.11.2026 klo 10.04:",
    "tb_sv": "Den 2026-11-26 kl. 10:04, skrev {n}:",
    "tb_hu": "2026. 11. 26. 10:04 keltezéssel, {n} írta:",
    "tb_lt": "2026-11-26 10:04, {n} rašė:",
    "tb_el": "Στις 26/11/26 10:04, ο/η {n} έγραψε:",
    "tb_tr": "{n}, 26.11.2026 10:04 tarihinde yazdı:",
    "tb_cs": "Dne 26. 11. 26 v 10:04 {n} napsal(a):",
    "tb_nl": "Op 26-11-2026 om 10:04 schreef {n}:",
    "tb_eu": "{n}(e)k 2026/11/26 10:04(e)an idatzi zuen:",
    "tb_ca": "El 26/11/26 a les 10:04, {n} ha escrit:",
    "tb_et": "{n} kirjutas 26.11.2026 kell 10:04:",
    "tb_lv": "{n} rakstīja 26.11.2026 10:04:",
    "tb_ko": "{n} 님이 26. 11. 26. 오전 10:04에 쓴 글:",
    "tb_zh": "在 2026/11/26 10:04, {n} 写道:",
    "tb_vi": "Vào 26/11/2026 10:04, {n} đã viết:",
    "tb_id": "Pada 26/11/26 10.04, {n} menulis:",
    "tb_sl": "Dne 26. 11. 26 ob 10:04 je {n} napisal(a):",
    "tb_hr": "Dana 26. 11. 2026. u 10:04, {n} je napisao/la:",
    "tb_ro": "Pe 26.11.2026 10:04, {n} a scris:",
    "tb_ga": "Ar 26/11/26 10:04, scríobh {n}:",
    "tb_cy": "Ar 26/11/26 10:04, ysgrifennodd {n}:",
    "tb_br": "D'ar 26/11/26 10:04, {n} en deus skrivet:",
    "yandex": '26.11.2026, 10:04, "{n}" <{a}>:',
    "yandex2": '26 ноября 2026 г., 10:04, "{n}" <{a}>:',
    "mailru": "Четверг, 26 ноября 2026, 10:04 +03:00 от {n} <{a}>:",
    "ukrnet": '26 листопада 2026, 10:04:23, від "{n}" <{a}>:',
    "rambler": "26.11.2026, 10:04 от {n} <{a}>:",
    "roundcube": "On 2026-11-26 10:04, {n} wrote:",
    "roundcube_uk": "2026-11-26 10:04, {n} писав:",
    "kmail": "On Thursday, November 26, 2026 10:04:11 AM EET {n} wrote:",
    "kmail_de": "Am Donnerstag, 26. November 2026, 10:04:11 CET schrieb {n}:",
    "evolution": "On Thu, 2026-11-26 at 10:04 +0200, {n} wrote:",
    "mutt": "On Thu, Nov 26, 2026 at 10:04:11AM +0200, {n} wrote:",
    "gnus": "{n} <{a}> writes:",
    "bat": "{n} <{a}> wrote on 26.11.2026 10:04:",
    "zoho": "---- On Thu, 26 Nov 2026 10:04:11 +0200 {n} <{a}> wrote ----",
    "zoho2": "---- Вкл Чт, 26 Ноя 2026 10:04:11 +0200 {n} <{a}> написал(а) ----",
    "proton": "On Thursday, November 26th, 2026 at 10:04 AM, {n} <{a}> wrote:",
    "netease": 'At 2026-11-26 10:04:11, "{n}" <{a}> wrote:',
    "netease2": '在 2026-11-26 10:04:11，"{n}" <{a}> 写道：',
    "libero": "Il 26/11/2026 10:04, {n} <{a}> ha scritto:",
    "wp": "Dnia 26 listopada 2026 10:04 {n} <{a}> napisał(a):",
    "onet": "W dniu 2026-11-26 10:04:11 użytkownik {n} <{a}> napisał:",
    "freemail": "{n} <{a}> írta:",
    "spark": "On 26 Nov 2026, 10:04 +0200, {n} <{a}>, wrote:",
    "spark_de": "Am 26. Nov. 2026, 10:04 +0100 schrieb {n} <{a}>:",
    "airmail": "On November 26, 2026 at 10:04:11, {n} ({a}) wrote:",
    "fastmail": "On Thu, Nov 26, 2026, at 10:04 AM, {n} wrote:",
    "hey": "On November 26, 2026, {n} <{a}> wrote:",
    "tuta": "26. Nov. 2026, 10:04 von {a}:",
    "tuta_en": "Nov 26, 2026, 10:04 by {a}:",
    "k9b": "On November 26, 2026 10:04:11 AM GMT+02:00, {n} <{a}> wrote:",
    "groups": "On Thursday, November 26, 2026 at 10:04:11 AM UTC+2 {n} wrote:",
    "ics": "{n} <{a}> hat am 26.11.2026 10:04 CET geschrieben:",
    "ox_fr": "Le 26/11/2026 10:04 CET, {n} <{a}> a écrit :",
    "ox_es": "El 26/11/2026 10:04 CET {n} <{a}> escribió:",
    "iphone_tr": "{n} <{a}> şunları yazdı (26 Kas 2026 10:04):",
    "yahoo_tr": "{n} <{a}>, 26 Kasım 2026 Perşembe 10:04:11 GMT+3 tarihinde şunu yazdı:",
    "tb_be": "{n} піша 26.11.2026 10:04:",
    "tb_nn": "Den 26.11.2026 10.04, skreiv {n}:",
    "tb_gl": "O 26/11/26 ás 10:04, {n} escribiu:",
    "tb_sr": "Дана 26.11.2026. у 10:04, {n} је написао/ла:",
    "tb_kk": "26.11.2026 10:04, {n} жазды:",
    "tb_ka": "26.11.2026 10:04, {n} წერს:",
    "tb_hy": "{n} գրել է 26.11.2026 10:04-ին:",
    "tb_zhs": "{n} 写于 2026/11/26 10:04:",
    "kmail_uk": "четвер, 26 листопада 2026 р. 10:04:11 EET {n} написано:",
    "horde": "Zitat von {n} <{a}>:",
    "horde_fr": "{n} <{a}> a écrit :",
    "horde_en": "Quoting {n} <{a}>:",
}
WHO = [
    ("Jan", "j@example.com"),
    ("Олександра Василенко-Коваль", "oleksandra.vasylenko@long-domain.example.com"),
    ("Support Team of the Department", "helpdesk+ticket-12345@support.example.org"),
]
#: Found only above marked quotations: neither word nor address is enough.
ONLY_MARKED = {
    "horde",
    "horde_en",
    "tb_br",
    "tb_ca",
    "tb_cy",
    "tb_eu",
    "tb_ga",
    "tb_ko",
    "zoho",
    "zoho2",
}


def own(text: str) -> str:
    return cut_quotes(text, lambda: Reply.SURE)[0]


@pytest.mark.parametrize("form", ATTRIBUTIONS)
@pytest.mark.parametrize(("name", "address"), WHO, ids=["short", "long", "longer"])
def test_it_goes_with_what_it_stands_above(form: str, name: str, address: str) -> None:
    whole = ATTRIBUTIONS[form].format(n=name, a=address)
    attribution = "\n".join(
        textwrap.wrap(whole, 76, break_long_words=False, break_on_hyphens=False)
    )
    text = "ok\n\nSee you at 10."
    assert own(f"{text}\n\n{attribution}\n\n> Will you come?\n>\n> Thanks") == text
    assert own(f"{text}\n{attribution}\n> Will you come?") == text
    if form not in ONLY_MARKED:
        assert own(f"{text}\n\n{attribution}\n\nWill you come?\nThanks") == text


@pytest.mark.parametrize(
    "text",
    [
        "Write to Jan Novák <jan@example.com>\nOn Mon, 6 Jan 2025, Eva wrote:",
        "The price is 5.\nEva <eva@example.com> schrieb am Do., 26. Nov. 2026:",
        "Call Jan <j@example.com> by 26.11.2026:\n1. price\n2. date",
    ],
)
def test_the_line_above_it_stays(text: str) -> None:
    assert own(f"{text}\n> Will you come?").startswith(text.partition("\n")[0])


def test_a_mail_that_is_passed_on_in_quotation_marks_stays() -> None:
    text = "FYI\n\n> Begin forwarded message:\n>\n> From: A <a@b.c>\n> Subject: x\n>\n> Pay 5."
    assert own(text) == text
