/* empty.c - keeps a folder without sources a valid library.  SPDX-License-Identifier: Apache-2.0 */
typedef int gp_empty;
