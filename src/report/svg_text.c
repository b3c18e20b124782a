/* svg_text.c - see svg_text.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/svg_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void gp_svg_escape(gp_str *out, const char *text)
{
    for (const char *s = text; *s;) {
        size_t n = gp_utf8_char(s);
        switch (*s) {
        case '<':
            gp_str_add(out, "&lt;");
            break;
        case '>':
            gp_str_add(out, "&gt;");
            break;
        case '&':
            gp_str_add(out, "&amp;");
            break;
        case '"':
            gp_str_add(out, "&quot;");
            break;
        default:
            if (n)
                gp_str_addn(out, s, n);
            else
                gp_str_add(out, "\xEF\xBF\xBD"); /* U+FFFD */
        }
        s += n ? n : 1;
    }
}

void gp_svg_open(gp_str *out, double width, double height, const char *title)
{
    gp_str_addf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                "font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"11.5\" fill=\"#222\">\n",
                width, height, width, height);
    if (title) {
        gp_str_add(out, "<title>");
        gp_svg_escape(out, title);
        gp_str_add(out, "</title>\n");
    }
    gp_str_add(out, "<style>.title{font-size:15px;font-weight:bold}.panel{font-size:13px;font-weight:bold}.label{font-size:11.5px}"
                    ".note{font-size:10.5px;fill:#555}.tick{font-size:10.5px;fill:#444}.grid{stroke:#e3e3e3;stroke-width:1}"
                    ".axis{stroke:#888;stroke-width:1;fill:none}.diagonal{stroke:#888;stroke-width:1.2;stroke-dasharray:5 4}</style>\n");
    gp_str_addf(out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", width, height);
}

void gp_svg_close(gp_str *out)
{
    gp_str_add(out, "</svg>\n");
}

void gp_svg_text(gp_str *out, double x, double y, const char *anchor, const char *class_name, const char *text)
{
    gp_str_addf(out, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class_name);
    gp_svg_escape(out, text);
    gp_str_add(out, "</text>\n");
}

void gp_svg_text_up(gp_str *out, double x, double y, const char *class_name, const char *text)
{
    gp_str_addf(out, "<text transform=\"translate(%.2f %.2f) rotate(-90)\" text-anchor=\"middle\" class=\"%s\">", x, y, class_name);
    gp_svg_escape(out, text);
    gp_str_add(out, "</text>\n");
}

void gp_svg_number(gp_str *out, double x, double y, const char *anchor, double v, double step)
{
    char text[40];
    int digits = 0;
    for (double s = fabs(step); step > 0.0 && digits < 8 && fabs(s - nearbyint(s)) > 1e-6 * fmax(1.0, s); s *= 10.0) digits++;
    if (step > 0.0 && fabs(v) < 1e15 && step > 1e-7)
        snprintf(text, sizeof text, "%.*f", digits, fabs(v) < 1e-9 * step ? 0.0 : v);
    else
        snprintf(text, sizeof text, "%.6g", v);
    gp_svg_text(out, x, y, anchor, "tick", text);
}

void gp_svg_line(gp_str *out, double x1, double y1, double x2, double y2, const char *class_name)
{
    gp_str_addf(out, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" class=\"%s\"/>\n", x1, y1, x2, y2, class_name);
}

size_t gp_svg_columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}
