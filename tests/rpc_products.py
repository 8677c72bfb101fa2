"""RPC files of the satellite operators, formatted from an `Rpc`: written here, not by the code under test."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from trueground.rpc import Rpc
from trueground.rpc.direct_model import DirectModel

SCALARS = [f"{n}_{k}" for n in ("line", "samp", "lat", "long", "height") for k in ("off", "scale")]
POLYNOMIALS = ["line_num", "line_den", "samp_num", "samp_den"]
DIRECT = ["lon_num", "lon_den", "lat_num", "lat_den"]

# The terms as products of longitude, latitude and height; NIMA STDI-0002, appendix E.
_FIRST = ["1", "L", "P", "H", "LP", "LH", "PH"]
ORDER_A = [
    *_FIRST,
    "LPH",
    "LL",
    "PP",
    "HH",
    "LLL",
    "LLP",
    "LLH",
    "LPP",
    "PPP",
    "PPH",
    "LHH",
    "PHH",
    "HHH",
]
ORDER_B = [
    *_FIRST,
    "LL",
    "PP",
    "HH",
    "LPH",
    "LLL",
    "LPP",
    "LHH",
    "LLP",
    "PPP",
    "PHH",
    "LLH",
    "PPH",
    "HHH",
]


def rpc(**changes):
    """A Pleiades-like RPC whose numbers need 17 digits, and its direct model to some 1e-3 px."""
    line_num = [0.003, -0.0237, -1.05, 0.00179, 1.4e-3, -2.6e-6, 5.2e-6, -6.5e-4, -2.7e-3, -6.4e-8]
    samp_num = [0.002, 1.0053, -0.00073, 0.00176, 4.2e-4, 5.8e-5, -3.3e-5, -2.8e-3, 1.4e-3, 1.4e-7]
    line_den = [1.0, 1.7e-3, 2e-3, -2.7e-6, -8.5e-6, 4.9e-8, -1.8e-7, -9.2e-6, 2.4e-5, -9e-6]
    samp_den = [1.0, 4.9e-4, -4.2e-4, -6.2e-5, -9.7e-6, 2.4e-7, -5.2e-8, 1.9e-6, -1.7e-5, -3.1e-7]
    tail = [1e-9 / 3 * i for i in range(1, 11)]
    values = {
        "line_off": 21109.5, "samp_off": 19207.5, "lat_off": 44.137165993734474,
        "long_off": 5.284646559284846, "height_off": 1075.0, "line_scale": 21137.49999999999,
        "samp_scale": 19999.5, "lat_scale": 0.09895069330751483, "long_scale": 0.1287011585226403,
        "height_scale": 885.0, "line_num": line_num + tail, "line_den": line_den + tail,
        "samp_num": samp_num + tail, "samp_den": samp_den + tail,
    }  # fmt: skip
    return Rpc(**{**values, **changes})


def terms_of(order, x, y, h):
    """The 20 products that an order of terms names."""
    one = np.ones_like(x + y + h)
    values = {"1": one, "L": x, "P": y, "H": h}
    return np.stack([one * math.prod(values[letter] for letter in name) for name in order], axis=-1)


def with_direct(model):
    """Add a direct model: cubic polynomials, fitted to the inverse of the other one."""
    nodes = np.linspace(-1.0, 1.0, 11)
    line, samp, level = (a.ravel() for a in np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    at = model.localize(
        model.line_off + 0.5 + model.line_scale * line,
        model.samp_off + 0.5 + model.samp_scale * samp,
        model.height_off + model.height_scale * level,
    )
    design = terms_of(ORDER_B, samp, line, level)
    lon = np.linalg.lstsq(design, (at.lon - model.long_off) / model.long_scale, rcond=None)[0]
    lat = np.linalg.lstsq(design, (at.lat - model.lat_off) / model.lat_scale, rcond=None)[0]
    one = [1.0] + [0.0] * 19
    return replace(model, direct=DirectModel(lon_num=lon, lon_den=one, lat_num=lat, lat_den=one))


def key_value(model, *, units=False):
    """`LINE_OFF: +005124.00 pixels`, as IKONOS, GeoEye and Planet write them."""
    unit = {"line": " pixels", "samp": " pixels", "lat": " degrees", "long": " degrees",
            "height": " meters"}  # fmt: skip
    lines = [
        f"{n.upper()}: {getattr(model, n):+.17g}{unit[n.partition('_')[0]] if units else ''}"
        for n in SCALARS
    ]
    for n in POLYNOMIALS:
        lines += [f"{n.upper()}_COEFF_{i}: {c:+.16E}" for i, c in enumerate(getattr(model, n), 1)]
    return "\n".join(lines) + "\nERR_BIAS: 0003.31 meters\n"


def rpb(model, *, spec="RPC00B"):
    """`.RPB` of DigitalGlobe."""
    names = {"off": "Offset", "scale": "Scale", "num": "NumCoef", "den": "DenCoef"}
    text = f'satId = "WV02";\nbandId = "P";\nSpecId = "{spec}";\nBEGIN_GROUP = IMAGE\n\terrBias = 3.1;\n'
    for n in SCALARS:
        axis, _, kind = n.partition("_")
        text += f"\t{axis}{names[kind]} = {getattr(model, n):.17g};\n"
    for n in POLYNOMIALS:
        axis, _, kind = n.partition("_")
        terms = ",\n".join(f"\t\t\t{c:.16E}" for c in getattr(model, n))
        text += f"\t{axis}{names[kind]} = (\n{terms});\n"
    return text + "END_GROUP = IMAGE\nEND;\n"


def geom(model, *, form="B", prefix=""):
    """Keyword list of OSSIM."""
    lines = ["adjustment_0.number_of_params:  5", "bias_error:  0"]
    lines += [f"{prefix}{n}:  {getattr(model, n):.17g}" for n in SCALARS]
    for n in POLYNOMIALS:
        lines += [f"{prefix}{n}_coeff_{i:02d}:  {c:.17g}" for i, c in enumerate(getattr(model, n))]
    lines += [f"{prefix}polynomial_format:  {form}", "type:  ossimPleiadesModel"]
    return "\n".join(lines) + "\n"


def worldview(model):
    """XML of DigitalGlobe: orbit and image description before the block RPB."""
    names = {"off": "OFFSET", "scale": "SCALE", "num": "NUMCOEF", "den": "DENCOEF"}
    items = ""
    for n in SCALARS:
        axis, _, kind = n.upper().partition("_")
        items += (
            f"<{axis}{names[kind.lower()]}>{getattr(model, n):.16e}</{axis}{names[kind.lower()]}>\n"
        )
    for n in POLYNOMIALS:
        axis, _, kind = n.upper().partition("_")
        tag = f"{axis}{names[kind.lower()]}"
        terms = " ".join(f"{c:.16e}" for c in getattr(model, n))
        items += f"<{tag}List><{tag}>{terms}</{tag}></{tag}List>\n"
    orbit = "<EPHEMLIST>1.0 4.2e6 5.6e5 5.3e6</EPHEMLIST>\n" * 50
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<isd>\n'
        "<IMD><VERSION>28.3</VERSION><NUMROWS>10</NUMROWS><NUMCOLUMNS>10</NUMCOLUMNS>"
        "<IMAGE><SATID>WV02</SATID></IMAGE></IMD>\n"
        f"<EPH>{orbit}</EPH>\n<RPB><SATID>WV02</SATID><BANDID>P</BANDID><SPECID>RPC00B</SPECID>"
        f"<IMAGE><ERRBIAS>1.0</ERRBIAS>\n{items}</IMAGE></RPB>\n</isd>\n"
    )


def dimap(model, *, profile="PHR_SENSOR", first=1, domain=None):
    """`RPC_*.XML` of DIMAP 2, or 3 for Pleiades Neo; pixels count from `first` in the file."""
    neo = profile.startswith("PNEO")
    ways = (
        ("ImagetoGround_Values", "GroundtoImage_Values")
        if neo
        else ("Direct_Model", "Inverse_Model")
    )
    domain = first if domain is None else domain
    parts = ""
    if model.direct is not None:
        axes = ("LON", "LAT") if neo else ("SAMP", "LINE")
        parts += f"<{ways[0]}>\n"
        for n in DIRECT:
            tag = n.upper().replace("LON", axes[0]).replace("LAT", axes[1])
            for i, c in enumerate(getattr(model.direct, n), 1):
                parts += f"<{tag}_COEFF_{i}>{c:.17g}</{tag}_COEFF_{i}>\n"
        parts += f"<ERR_BIAS_X>0.0003</ERR_BIAS_X></{ways[0]}>\n"
    parts += f"<{ways[1]}>\n"
    for n in POLYNOMIALS:
        for i, c in enumerate(getattr(model, n), 1):
            parts += f"<{n.upper()}_COEFF_{i}>{c:.17g}</{n.upper()}_COEFF_{i}>\n"
    parts += f"<ERR_BIAS_ROW>0.001</ERR_BIAS_ROW></{ways[1]}>\n"
    span = ways[0].replace("Values", "Validity_Domain") if neo else "Direct_Model_Validity_Domain"
    parts += f"<RFM_Validity><{span}><FIRST_ROW>{domain}</FIRST_ROW><FIRST_COL>{domain}</FIRST_COL></{span}>\n"
    for n in SCALARS:
        value = getattr(model, n) + (first if n in {"line_off", "samp_off"} else 0)
        parts += f"<{n.upper()}>{value:.17g}</{n.upper()}>\n"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Dimap_Document>\n<Metadata_Identification>'
        f'<METADATA_FORMAT version="2.15">DIMAP</METADATA_FORMAT><METADATA_PROFILE>{profile}</METADATA_PROFILE>'
        "<METADATA_SUBPROFILE>RPC</METADATA_SUBPROFILE></Metadata_Identification>\n"
        f"<Rational_Function_Model><Global_RFM>\n{parts}</RFM_Validity>\n</Global_RFM></Rational_Function_Model>\n"
        "</Dimap_Document>\n"
    )


def dimap_v1(model, *, first=1, said=True):
    """`PHRDIMAP_*.XML`: 40 coefficients under one tag."""

    def forty(source, name):
        return " ".join(f"{c:.17g}" for k in ("num", "den") for c in getattr(source, f"{name}_{k}"))

    direct = ""
    if model.direct is not None:
        lon, lat = forty(model.direct, "lon"), forty(model.direct, "lat")
        direct = f"<Direct_Model><F_LON>{lon}</F_LON>\n<F_LAT>{lat}</F_LAT></Direct_Model>\n"
    ranges = ""
    for tag, n in {
        "Lon": "long",
        "Lat": "lat",
        "Alt": "height",
        "Col": "samp",
        "Row": "line",
    }.items():
        shift = first if tag in {"Col", "Row"} else 0
        scale, offset = getattr(model, f"{n}_scale"), getattr(model, f"{n}_off") + shift
        ranges += f"<{tag}><A>{scale:.17g}</A><B>{offset:.17g}</B></{tag}>\n"
    tail = (
        f"<RASTER_CS_TYPE>POINT</RASTER_CS_TYPE><PIXEL_ORIGIN>{first}</PIXEL_ORIGIN>"
        if said
        else ""
    )
    return (
        "<PHR_Dimap_Document><Metadata_Identification><METADATA_PROFILE version='1.4'>"
        "PHR_SYSTEM_RECTIFIED_PRODUCT</METADATA_PROFILE></Metadata_Identification>\n"
        f"<Geoposition><Rational_Sensor_Model><Global_RFM>{direct}<Inverse_Model><F_COL>{forty(model, 'samp')}</F_COL>"
        f"\n<F_ROW>{forty(model, 'line')}</F_ROW></Inverse_Model>\n<RFM_Validity>{ranges}</RFM_Validity>"
        f"</Global_RFM></Rational_Sensor_Model></Geoposition><Product_Frame>{tail}</Product_Frame></PHR_Dimap_Document>\n"
    )
