"""Names that look the same: one picture for all that the eye does not tell apart.

Two names look alike when their pictures are equal, as in Unicode's report on confusable text (UTS
39), of whose tables this holds what is drawn like a Latin letter or two, accents left aside.
"""

from __future__ import annotations

import unicodedata

_DRAWN_ALIKE = (
    # Capitals first, since some look like another letter than their small forms do.
    ("АВЕЅІЈКМНОРСТУҮХԌԚԜЗӀ", "ABESIJKMHOPCTYYXGQW3I"),
    ("авеѕіјкмнорстуүхԍԛԝһԁӏ", "aBesijkMHopcTyyxgqwhdl"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳ", "ABEZHIKMNOPTYXCj"),
    ("αγικνοορτυχϲ", "ayikvoopTuxc"),
    ("ԱՍՕաոսօհց", "UUOwnuohg"),
    ("ɑɡɩıʟʀʏꜱᴀʙᴄᴅᴇɢʜɪᴊᴋᴍɴᴏᴘᴛᴜᴠᴡᴢ", "agiilrysabcdeghijkmnoptuvwz"),
    ("ÐØøĐđĦħĸŁłŦŧƀƂƃƄƅƉƌƍƑƒƖƗƙƚƝƞƟƥƦƧƫƭƮƴƵƶƷƻ", "DOoDdHhkLlTtbbbbbDdgFfllklNnOpR2ttTyZz32"),
    ("ƼƽǀǤǥȜȢȣȤȥȼȾɄɆɇɈɉɍɎɏɓɖɗɠɣɦɨɫɭɯɲɳɵɼɽʂʋʐʠᴑ", "5slGg388ZzcTUEeJjrYybddgyhillwnnorrsuzqo"),
    ("ᵮᵰᵲᵴᵵᵶᵻᵼᵽᵾᶃᶌẝỿⱧⱩꝀꝊꝋꝚꝡꝪꝮꞘꞙꞟꞫꞲꞳꞴꬲꬵꬽꬾꭇꭈꭎꭑꭒꭚ", "fnrstziipugyfyHKKOo2w39Ffu3JXBefoorrumuy"),
    ("ͿΘηθσϜϺᴦ", "JOnOoFMr"),
    ("ϨϩⲅⲎⲏⲒⲓⲔⲕⲘⲙⲚⲛⲞⲟⲢⲣⲤⲥⲦⲧⲨⲩⲬⲭⳊⳋⳌⳍⳐⳑⳒⳓ", "22rHHllKKMMNNOoPpCcTTYYXX9933LL66"),
    ("БГЬбгьћѡѢѣѲѳѴѵѽҌҍғҘҚҞҢҪҫҬҰұҲҽҿӇӉӍӠӨөꙄꙇꚕ", "brbbrbhwbbOoVvwbbr3KKHCcTYyXeeHHM3Oo2ih"),
    ("Տգզռք", "Sqqnf"),
    ("०০৪৭੦੧੪૦ଠ୦୨௦౦೦ഠ൦൭๐໐တဝ၀", "oO89o98oOO9ooooo9ooooo"),
    ("ყჿሀዐᚷᛁᛕᛖⴱⴸⴹⵁⵏⵔⵕⵝꛟ", "yoUOXlKMOVEOlOQXV"),
    ("ᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᎽᎾᏀᏂᏃᏌᏎᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧᏫᏮᏲᏳᏴᏺᏻᏼꭰꭱꭲ", "DRTiYAJEWMHYOGhZU4bRWSVSLCPKdO6hGBhGBDRT"),
    ("ꭴꭵꭹꭺꭻꭼꮁꮃꮇꮋꮍꮎꮐꮒꮓꮜꮞꮟꮢꮤꮥꮩꮪꮮꮯꮲꮶꮷꮻꮾ", "oiYAJErwMHYoGhzu4bRWSvsLcPKdo6"),
    ("ᐯᑌᑭᑯᑲᑳᒍᒪᒿᕁᕼᕽᖇᖯᖴᗅᗞᗪᗰᗷᙆᣖᣳᣴᣵ", "VUPdbbJL2xHxRbFADDMBzPlrs"),
    ("ꓐꓑꓒꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPdDTGKJCZFMNLSRVHWXYAElOU"),
    ("𐊂𐊆𐊇𐊊𐊐𐊒𐊕𐊖𐊗𐊠𐊡𐊢𐊥𐊫𐊰𐊱𐊲𐊴𐋏𐌁𐌂𐌉𐌑𐌕𐌗𐌚𐐄𐐕𐐛𐐠𐐬𐐽𐑈𐒴𐓂𐓎𐓒𐓪𐓶𐔓", "BEFlXOPSTABCFOMTYXHBClMTX8OCLSocsROU7ouN"),
    ("𐔖𐔘𐔜𐔝𐔥𐔦𐔧𑓅𑓐𑜆𑜊𑜎𑜏", "OKCVFLXwOvwww"),
    ("𑢠𑢢𑢣𑢤𑢦𑢩𑢬𑢮𑢯𑢲𑢵𑢸𑢻𑢼𑣀𑣁𑣂𑣃𑣄𑣆𑣈𑣊𑣌𑣕𑣖𑣗𑣘𑣜𑣠𑣥𑣦𑣩", "VFLYEZ9E4LOU5TvsFiz7o3969ouyOZWC"),
    ("𖼈𖼊𖼖𖼨𖼵𖼺𖼻𖽀𖽂𖽃", "VTLlRS3AUY"),
)
_LIGATURES = (
    "ÆAE æae ŒOE œoe ǁll ɱrn ʣdz ʦts ʪls ʫlz ӔAE ӕae ᵫue ᵯrn ꚘOO ꚙoo ꜨT3 ꜲAA "
    "ꜳaa ꜴAO ꜵao ꜶAU ꜷau ꜸAV ꜹav ꜺAV ꜻav ꜼAY ꜽay ꝎOO ꝏoo ꝷtf ꭣuo 𑜀rn 𑣣rn"
)
"""Each with the letters that it is drawn like."""
_LATIN = str.maketrans(
    {one: other for pair in _DRAWN_ALIKE for one, other in zip(*pair, strict=True)}
    | {text[0]: text[1:] for text in _LIGATURES.split()}
)
_DIGITS = str.maketrans("01i", "oll")
ACCENTS = frozenset((1, *range(200, 256)))
"""Combining classes of marks that lie over, above or below a letter of any script."""


def picture(name: str) -> str:
    """What the eye keeps of a name: no case, accents, spaces or signs; one letter for each shape.

    >>> picture("Background") == picture("bаckgrоund") == picture("back-ground")
    True
    >>> picture("optimal interpo1ation") == picture("OPTIMAL_INTERPOLATION")
    True
    """
    for _ in range(2):  # a capital that looks like nothing else is drawn like its small form
        name = unicodedata.normalize("NFKD", name).translate(_LATIN).casefold()
    return _without_signs(name).translate(_DIGITS).replace("rn", "m").replace("vv", "w")


def _without_signs(text: str) -> str:
    """Letters and digits, and of the marks those that spell, as the vowel signs of Indic scripts.

    A mark on a letter that is drawn like a Latin one is an accent, whatever script it is of.
    """
    kept, base = "", ""
    for character in text:
        if character.isalnum():
            kept, base = kept + character, character
        elif not base.isascii() and unicodedata.category(character)[0] == "M":
            kept += character * (unicodedata.combining(character) not in ACCENTS)
    return kept
