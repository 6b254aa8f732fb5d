/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes the configuration's documentation from the table of its keys:
 *
 *   config-docs yaml   configs/muster.yaml: every key with its default, explained
 *   config-docs man    docs/muster.yaml.5, for man(7)
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_value.h"

enum { WIDTH = 98 };

static const struct config_section *section_of(const struct config_key *key)
{
    size_t length = config_section_length(key);
    const struct config_section *section = config_sections;

    for (; length && section->name; section++)
        if (strlen(section->name) == length && strncmp(section->name, key->name, length) == 0)
            return section;
    return NULL;
}

static const char *name_in_section(const struct config_key *key)
{
    size_t length = config_section_length(key);

    return key->name + (length ? length + 1 : 0);
}

/* Whether `key` is the first of its section. */
static bool opens_section(const struct config_key *key)
{
    return section_of(key) && (key == config_keys || section_of(key - 1) != section_of(key));
}

/* What values there are: "1s to 2h", "poll or adaptive". */
static void print_expected(const struct config_key *key, FILE *out)
{
    if (key->list_max)
        fprintf(out, "a list of up to %u: ", key->list_max);
    config_value_expected(key, out);
}

/* YAML ---------------------------------------------------------------------------------------- */

/* Comment lines, filled to WIDTH. */
static void print_comment(const char *indent, const char *text)
{
    while (*text) {
        size_t room = WIDTH - strlen(indent) - 2;
        size_t length = strlen(text);

        if (length > room)
            for (length = room; length > 1 && text[length] != ' '; length--)
                ;
        printf("%s# %.*s\n", indent, (int)length, text);
        text += length + strspn(text + length, " ");
    }
}

static void comment_values(const char *indent, const struct config_key *key, const char *restart)
{
    char text[512];
    FILE *out = fmemopen(text, sizeof(text), "w");

    if (key->type != CONFIG_RECORD) {
        fputs("Takes ", out);
        print_expected(key, out);
        fputs(". ", out);
    }
    if (restart)
        fprintf(out, "Needs a restart: %s.", restart);
    else
        fputs("Live.", out);
    fclose(out);
    print_comment(indent, text);
}

static void comment_field(const struct config_key *type, const struct config_key *field)
{
    char text[1024];
    FILE *out = fmemopen(text, sizeof(text), "w");
    const char *separator = "";

    fprintf(out, "- %s", field->name);
    if (field->kinds) {
        fputs(" (", out);
        for (unsigned kind = 0; type->choices[kind]; kind++)
            if (field->kinds & 1u << kind) {
                fprintf(out, "%s%s", separator, type->choices[kind]);
                separator = ", ";
            }
        fputc(')', out);
    }
    fprintf(out, ": %s Takes ", field->help);
    config_value_expected(field, out);
    if (field->initial)
        fprintf(out, "; default %s", *field->initial ? field->initial : "empty");
    fputc('.', out);
    fclose(out);
    print_comment("", text);
}

static void print_yaml_key(const struct config_key *key)
{
    const char *indent = section_of(key) ? "  " : "";
    const char *value = key->example ? key->example : key->initial;

    if (opens_section(key)) {
        printf("\n");
        print_comment("", section_of(key)->help);
        printf("%s:\n", section_of(key)->name);
    } else {
        printf("\n");
    }
    print_comment(indent, key->help);
    comment_values(indent, key, key->restart);
    if (key->fields)
        for (const struct config_key *field = key->fields; field->name; field++)
            comment_field(key->fields, field);
    printf("%s%s:%s%s\n", indent, name_in_section(key), value && *value == '\n' ? "" : " ",
           value && *value ? value : "\"\"");
}

static void print_yaml(void)
{
    printf(
        "# SPDX-License-Identifier: BSD-3-Clause\n"
        "#\n"
        "# Every key of musterd with its default; only `ports` must be given.\n"
        "# Made from the schema by config-docs: change controlplane/config_schema.c instead.\n"
        "#\n"
        "# A number may carry a unit. Durations: s, m, h, d; a bare number is seconds. Counts:\n"
        "# k, M, G (thousand, million, thousand million). Sizes: KiB, MiB, GiB; bare: bytes.\n"
        "# A relative path is taken from the folder of this file.\n"
        "#\n"
        "# Live keys change without a restart: edit and `musterctl config reload`, or, until the\n"
        "# next restart, `musterctl config set KEY VALUE`.\n");
    for (const struct config_key *key = config_keys; key->name; key++)
        print_yaml_key(key);
}

/* Manual page --------------------------------------------------------------------------------- */

/* Text for man(7): no line may begin with a dot or quote, and minus signs are minus signs. */
static void print_roff(const char *text)
{
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void print_man_values(const struct config_key *key)
{
    char text[512];
    FILE *out = fmemopen(text, sizeof(text), "w");

    print_expected(key, out);
    fclose(out);
    printf("Takes ");
    print_roff(text);
    printf(".\n");
    if (key->initial) {
        printf("Default: \\fB");
        print_roff(*key->initial ? key->initial : "\"\"");
        printf("\\fR.\n");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): a record's fields are no records */
static void print_man_key(const struct config_key *key, const struct config_key *type)
{
    const char *separator = " (";

    printf(".TP\n.B ");
    print_roff(name_in_section(key));
    if (type && key->kinds) {
        for (unsigned kind = 0; type->choices[kind]; kind++)
            if (key->kinds & 1u << kind) {
                printf("%s%s", separator, type->choices[kind]);
                separator = ", ";
            }
        printf(")");
    }
    printf("\n");
    print_roff(key->help);
    printf("\n");
    if (key->type != CONFIG_RECORD)
        print_man_values(key);
    if (key->restart)
        printf("Needs a restart: %s.\n", key->restart);
    if (key->fields) {
        printf(".RS\n");
        for (const struct config_key *field = key->fields; field->name; field++)
            print_man_key(field, key->fields);
        printf(".RE\n");
    }
}

static void print_man(void)
{
    printf(
        ".\\\" SPDX-License-Identifier: BSD-3-Clause\n"
        ".\\\" Made from the schema by config-docs.\n"
        ".TH MUSTER.YAML 5 \"\" \"muster " MUSTER_VERSION "\" \"File formats\"\n"
        ".SH NAME\nmuster.yaml \\- configuration of musterd\n"
        ".SH DESCRIPTION\n"
        "A YAML mapping. Only\n.B ports\nmust be given; everything else has a default.\n"
        "An unknown key, a wrong type or a value out of range is refused with its line, and\n"
        "nothing is started.\n.PP\n"
        "A number may carry a unit: durations s, m, h or d (a bare number is seconds), counts\n"
        "k, M or G (thousand, million, thousand million), sizes KiB, MiB or GiB (bare: bytes).\n"
        "A relative path is taken from the folder of the file.\n.PP\n"
        "Keys that do not say that they need a restart can be changed while the tracker runs.\n");
    printf(".SH TOP LEVEL\n");
    for (const struct config_key *key = config_keys; key->name; key++) {
        if (opens_section(key)) {
            printf(".SH SECTION %s\n", section_of(key)->name);
            print_roff(section_of(key)->help);
            printf("\n");
        }
        print_man_key(key, NULL);
    }
    printf(".SH SEE ALSO\n.BR musterd (8),\n.BR musterctl (1)\n");
}

int main(int argc, char *argv[])
{
    if (argc == 2 && strcmp(argv[1], "yaml") == 0) {
        print_yaml();
    } else if (argc == 2 && strcmp(argv[1], "man") == 0) {
        print_man();
    } else {
        fprintf(stderr, "usage: config-docs yaml|man\n");
        return 2;
    }
    return 0;
}
