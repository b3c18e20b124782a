/* real.h - gp_real: float in the library, double in the second build that the gradient checks link.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_REAL_H
#define GP_REAL_H

#ifdef GP_REAL_IS_DOUBLE
typedef double gp_real;
#else
typedef float gp_real;
#endif

#endif
