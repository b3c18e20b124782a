/* templates.h - prompt templates with one {} (METHODS 3.1).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEMPLATES_H
#define GP_TEMPLATES_H

#include "base/error.h"

extern const char *const gp_templates_7[7];   /* the ensemble of the reference */
extern const char *const gp_templates_80[80]; /* OpenAI's ImageNet set */

/* malloc'ed prompt: {} replaced by the class name, whose underscores become spaces.  INVALID if the template has not exactly one {}. */
gopro_status gp_template_fill(char **out, const char *tmpl, const char *class_name, gopro_error *err);

#endif
