/* svg_text.h - pieces of an SVG document: its frame, escaped text, numbers, lines.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SVG_TEXT_H
#define GP_SVG_TEXT_H

#include "base/str.h"

void gp_svg_open(gp_str *out, double width, double height, const char *title); /* title: for readers of screens; may be NULL */
void gp_svg_close(gp_str *out);
/* Text for elements and attributes: markup escaped, what XML cannot hold or is no UTF-8 replaced. */
void gp_svg_escape(gp_str *out, const char *text);
void gp_svg_text(gp_str *out, double x, double y, const char *anchor, const char *class_name, const char *text);
void gp_svg_text_up(gp_str *out, double x, double y, const char *class_name, const char *text); /* turned, centred */
/* A tick's number with the digits that ticks `step` apart need; step 0: as few as show it. */
void gp_svg_number(gp_str *out, double x, double y, const char *anchor, double v, double step);
void gp_svg_line(gp_str *out, double x1, double y1, double x2, double y2, const char *class_name);
size_t gp_svg_columns(const char *text); /* characters */

#endif
