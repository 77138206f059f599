// Sentences to begin with, in several scripts: facts that everybody may tell.

export const EXAMPLES = [
  {
    name: "Science",
    lang: "en",
    text:
      "Marie Curie left Warsaw for Paris in 1891 and taught at the Sorbonne. With Pierre Curie she found polonium, " +
      "which they named after Poland; the Swedish Academy of Sciences honoured her twice.",
  },
  {
    name: "Post",
    lang: "en",
    text:
      "Watching Game of Thrones with the whole fam 👩‍👩‍👧‍👦 while Google still cannot find Wembley Stadium 🙈 " +
      "Beyoncé is in London tonight 😍🎶 and Arsenal fans are everywhere 🇬🇧 #nosleep",
  },
  {
    name: "Several lines",
    lang: "en",
    text:
      "To Sherlock Holmes she is always the woman. I have seldom heard him mention her under any other name.\n\n" +
      "My own complete happiness, and the home-centred interests which rise up around the man who first finds himself " +
      "master of his own establishment, were sufficient to absorb all my attention, while Holmes remained in our " +
      "lodgings in Baker Street, buried among his old books.\n\n" +
      "From time to time I heard some vague account of his doings: of his summons to Odessa in the case of the " +
      "Trepoff murder, of his clearing up of the singular tragedy of the Atkinson brothers at Trincomalee.",
  },
  {
    name: "Español",
    lang: "es",
    text: "Gabriel García Márquez nació en Aracataca, vivió en Barcelona y publicó «Cien años de soledad» en Buenos Aires.",
  },
  {
    name: "Русский",
    lang: "ru",
    text: "Юрий Гагарин полетел в космос с Байконура 12 апреля 1961 года и приземлился недалеко от Саратова.",
  },
  {
    name: "العربية",
    lang: "ar",
    text: "وُلد نجيب محفوظ في القاهرة عام 1911، وعمل في جريدة الأهرام، ونال جائزة نوبل (Nobel Prize) عام 1988.",
  },
  {
    name: "हिन्दी",
    lang: "hi",
    text: "रवीन्द्रनाथ ठाकुर का जन्म कोलकाता में हुआ और उन्होंने शान्तिनिकेतन में एक विद्यालय खोला।",
  },
  {
    name: "日本語",
    lang: "ja",
    text: "夏目漱石 は 東京 で 生まれ、 ロンドン に 留学し、 朝日新聞 に 小説 を 書いた。",
  },
];
