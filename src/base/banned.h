/* SPDX-License-Identifier: MIT */
/* Functions that are too easy to misuse, as compile errors. The build includes this file before every source.
 *
 * Instead: pf_buf, pf_arena_printf, snprintf; pf_str_next; gmtime_r, localtime_r; pf_str_to_i64, pf_str_to_f64;
 * the arena or malloc in place of alloca. */
#ifndef PF_BASE_BANNED_H
#define PF_BASE_BANNED_H

/* First the headers that declare them: a later declaration would meet the macro. */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PF_BANNED(name) name##_is_banned_see_base_banned_h

#undef strcpy
#define strcpy(...) PF_BANNED(strcpy)
#undef stpcpy
#define stpcpy(...) PF_BANNED(stpcpy)
#undef strcat
#define strcat(...) PF_BANNED(strcat)
#undef strncpy
#define strncpy(...) PF_BANNED(strncpy)
#undef strncat
#define strncat(...) PF_BANNED(strncat)
#undef sprintf
#define sprintf(...) PF_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) PF_BANNED(vsprintf)
#undef gets
#define gets(...) PF_BANNED(gets)
#undef strtok
#define strtok(...) PF_BANNED(strtok)
#undef gmtime
#define gmtime(...) PF_BANNED(gmtime)
#undef localtime
#define localtime(...) PF_BANNED(localtime)
#undef ctime
#define ctime(...) PF_BANNED(ctime)
#undef asctime
#define asctime(...) PF_BANNED(asctime)
#undef atoi
#define atoi(...) PF_BANNED(atoi)
#undef atol
#define atol(...) PF_BANNED(atol)
#undef atoll
#define atoll(...) PF_BANNED(atoll)
#undef atof
#define atof(...) PF_BANNED(atof)
#undef alloca
#define alloca(...) PF_BANNED(alloca)

#endif
