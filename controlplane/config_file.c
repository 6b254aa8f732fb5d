/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_file.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "config_value.h"
#include "spelling.h"

enum { NAME_MAX_BYTES = 128 };

struct reader {
    yaml_document_t document;
    struct config *config;
    struct config_report *report;
};

/* Nodes --------------------------------------------------------------------------------------- */

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

static const char *scalar(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* False for a mapping or list, and for text with a NUL, which isn't what C takes it for. */
static bool is_scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && strlen(scalar(node)) == node->data.scalar.length;
}

static const char *kind_of(const yaml_node_t *node)
{
    if (node->type == YAML_MAPPING_NODE)
        return "a mapping";
    if (node->type != YAML_SEQUENCE_NODE)
        return "binary data";
    return node->data.sequence.items.start == node->data.sequence.items.top ? "an empty list"
                                                                            : "a list";
}

static void complain_found(struct reader *reader, const yaml_node_t *node)
{
    fputs(", found ", reader->report->out);
    if (is_scalar(node))
        config_report_found(reader->report, scalar(node));
    else
        fputs(kind_of(node), reader->report->out);
    fputc('\n', reader->report->out);
}

static void complain_expected(struct reader *reader, const yaml_node_t *node, const char *name,
                              const char *expected)
{
    config_complain_at(reader->report, line_of(node), name);
    fprintf(reader->report->out, "expected %s", expected);
    complain_found(reader, node);
}

/* Unknown keys -------------------------------------------------------------------------------- */

static void complain_unknown(struct reader *reader, const yaml_node_t *node, const char *name,
                             const struct config_key *keys)
{
    struct spelling spelling = {.word = name};

    for (const struct config_key *key = keys; key->name; key++)
        spelling_try(&spelling, key->name);
    config_complain_at(reader->report, line_of(node), "");
    fputs("unknown key ", reader->report->out);
    config_report_found(reader->report, name);
    if (spelling.best)
        fprintf(reader->report->out, "; did you mean %s?", spelling.best);
    fputc('\n', reader->report->out);
}

/* Copies the name of a mapping's entry, prefixed; false if it isn't one, or stood there before. */
static bool entry_name(struct reader *reader, const yaml_node_t *mapping,
                       const yaml_node_pair_t *pair, const char *prefix, char name[NAME_MAX_BYTES])
{
    const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);

    if (!is_scalar(key)) {
        complain_expected(reader, key, prefix, "a key");
        return false;
    }
    snprintf(name, NAME_MAX_BYTES, "%s%s%s", prefix, *prefix ? "." : "", scalar(key));
    for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
        const yaml_node_t *before = yaml_document_get_node(&reader->document, other->key);

        if (is_scalar(before) && strcmp(scalar(before), scalar(key)) == 0) {
            config_complain_at(reader->report, line_of(key), name);
            fprintf(reader->report->out, "expected once, found again (first in line %u)\n",
                    line_of(before));
            return false;
        }
    }
    return true;
}

/* Values -------------------------------------------------------------------------------------- */

/* `text` NULL: what was found isn't text, and the caller says what it is. */
static bool take_text(const char *text, const char *folder, const struct config_key *key,
                      void *value)
{
    return text && config_value_read(key, text, value) &&
           (key->type != CONFIG_PATH || config_value_resolve(key, folder, value));
}

static void read_scalar(struct reader *reader, const yaml_node_t *node, const char *name,
                        const struct config_key *key, void *value)
{
    if (take_text(is_scalar(node) ? scalar(node) : NULL, reader->config->folder, key, value))
        return;
    config_complain_at(reader->report, line_of(node), name);
    fputs("expected ", reader->report->out);
    config_value_expected(key, reader->report->out);
    complain_found(reader, node);
}

static const yaml_node_t *entry(struct reader *reader, const yaml_node_t *mapping, const char *name)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
        if (is_scalar(key) && strcmp(scalar(key), name) == 0)
            return yaml_document_get_node(&reader->document, pair->value);
    }
    return NULL;
}

/* Fields that aren't given take their defaults, or are asked for. */
static void complete_record(struct reader *reader, const yaml_node_t *node, const char *name,
                            const struct config_key *fields, unsigned kind, char *record)
{
    for (const struct config_key *field = fields; field->name; field++) {
        if (!config_field_applies(field, kind) || entry(reader, node, field->name))
            continue;
        if (field->required) {
            config_complain_at(reader->report, line_of(node), name);
            fprintf(reader->report->out, "expected the key %s, found none\n", field->name);
        } else if (field->initial) {
            config_value_read(field, field->initial, record + field->offset);
        }
    }
}

static const struct config_key *find_field(const struct config_key *fields, const char *name)
{
    for (; fields->name; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields;
    return NULL;
}

static void read_fields(struct reader *reader, const yaml_node_t *node, const char *name,
                        const struct config_key *fields, unsigned kind, char *record)
{
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        char full[NAME_MAX_BYTES];

        if (!entry_name(reader, node, pair, name, full))
            continue;
        /* Names can be shared by fields of different kinds. */
        const struct config_key *field = find_field(fields, scalar(key));
        if (!field) {
            complain_unknown(reader, key, scalar(key), fields);
        } else if (!config_field_applies(field, kind)) {
            config_complain_at(reader->report, line_of(key), full);
            fprintf(reader->report->out, "not a key of %s %s\n", fields->name,
                    fields->choices[kind]);
        } else {
            read_scalar(reader, value, full, field, record + field->offset);
        }
    }
}

static void read_record(struct reader *reader, const yaml_node_t *node, const char *name,
                        const struct config_key *key, char *record)
{
    const struct config_key *type = key->fields;
    const yaml_node_t *given;

    if (node->type != YAML_MAPPING_NODE) {
        complain_expected(reader, node, name, "a mapping (key: value)");
        return;
    }
    memset(record, 0, key->size);
    given = entry(reader, node, type->name);
    if (!given || !is_scalar(given) ||
        !config_value_read(type, scalar(given), record + type->offset)) {
        config_complain_at(reader->report, line_of(given ? given : node), name);
        fprintf(reader->report->out, "expected %s: ", type->name);
        config_value_expected(type, reader->report->out);
        complain_found(reader, given ? given : node);
        return;
    }
    unsigned kind = (unsigned)config_number_get(type, record + type->offset);
    complete_record(reader, node, name, key->fields, kind, record);
    read_fields(reader, node, name, key->fields, kind, record);
}

static void read_item(struct reader *reader, const yaml_node_t *node, const char *name,
                      const struct config_key *key, char *value)
{
    if (key->type == CONFIG_RECORD)
        read_record(reader, node, name, key, value);
    else
        read_scalar(reader, node, name, key, value);
}

static void read_list(struct reader *reader, const yaml_node_t *node, const struct config_key *key)
{
    char *base = (char *)reader->config;
    unsigned *count = (unsigned *)(base + key->count_offset);
    unsigned items = 0;
    char name[NAME_MAX_BYTES];

    if (node->type != YAML_SEQUENCE_NODE ||
        (node->data.sequence.items.top == node->data.sequence.items.start && !key->optional)) {
        complain_expected(reader, node, key->name,
                          key->optional ? "a list" : "a list of at least one item");
        return;
    }
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *value = yaml_document_get_node(&reader->document, *item);

        if (items == key->list_max) {
            config_complain_at(reader->report, line_of(value), key->name);
            fprintf(reader->report->out, "expected %u items at most\n", key->list_max);
            return;
        }
        snprintf(name, sizeof(name), "%s[%u]", key->name, items);
        config_report_place(reader->report, key, items + 1, line_of(value));
        read_item(reader, value, name, key, base + key->offset + items * key->size);
        items++;
    }
    *count = items;
}

static void read_key(struct reader *reader, const yaml_node_t *node, const struct config_key *key)
{
    config_report_place(reader->report, key, 0, line_of(node));
    if (key->list_max)
        read_list(reader, node, key);
    else
        read_item(reader, node, key->name, key, (char *)reader->config + key->offset);
}

static bool is_section(const char *name)
{
    for (const struct config_section *section = config_sections; section->name; section++)
        if (strcmp(section->name, name) == 0)
            return true;
    return false;
}

/* The document itself (prefix ""), or a section of it, in which there are no sections. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void read_section(struct reader *reader, const yaml_node_t *node, const char *prefix)
{
    if (is_scalar(node) && *scalar(node) == '\0')
        return; /* a section in which everything is commented out */
    if (node->type != YAML_MAPPING_NODE) {
        complain_expected(reader, node, prefix, "keys with values (key: value)");
        return;
    }
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        char name[NAME_MAX_BYTES];

        if (!entry_name(reader, node, pair, prefix, name))
            continue;
        const struct config_key *key = config_key_find(name);
        if (key)
            read_key(reader, value, key);
        else if (!*prefix && is_section(name))
            read_section(reader, value, name);
        else
            complain_unknown(reader, yaml_document_get_node(&reader->document, pair->key), name,
                             config_keys);
    }
}

/* Documents ----------------------------------------------------------------------------------- */

static void complain_syntax(struct config_report *report, const yaml_parser_t *parser)
{
    config_complain_at(report, (unsigned)parser->problem_mark.line + 1, "");
    fprintf(report->out, "not YAML: %s\n", parser->problem ? parser->problem : "out of memory");
}

/* Loads the next document and lets `key` (NULL: all keys) take what it holds. */
static bool read_next(yaml_parser_t *parser, const struct config_key *key, struct config *config,
                      struct config_report *report)
{
    struct reader reader = {.config = config, .report = report};
    const yaml_node_t *root;

    if (!yaml_parser_load(parser, &reader.document)) {
        complain_syntax(report, parser);
        return false;
    }
    root = yaml_document_get_root_node(&reader.document);
    if (root && key)
        read_key(&reader, root, key);
    else if (root)
        read_section(&reader, root, "");
    yaml_document_delete(&reader.document);
    return root != NULL;
}

static void read_text(const char *text, size_t size, const struct config_key *key,
                      struct config *config, struct config_report *report)
{
    yaml_parser_t parser;
    yaml_document_t second;

    if (!yaml_parser_initialize(&parser)) {
        config_complain_at(report, 0, "");
        fputs("out of memory\n", report->out);
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (read_next(&parser, key, config, report)) {
        if (!yaml_parser_load(&parser, &second)) {
            complain_syntax(report, &parser);
        } else {
            if (yaml_document_get_root_node(&second)) {
                config_complain_at(report, (unsigned)second.start_mark.line + 1, "");
                fputs("expected one document, found a second\n", report->out);
            }
            yaml_document_delete(&second);
        }
    }
    yaml_parser_delete(&parser);
}

void config_read_document(const char *text, size_t size, struct config *config,
                          struct config_report *report)
{
    read_text(text, size, NULL, config, report);
}

void config_read_value(const struct config_key *key, const char *text, struct config *config,
                       struct config_report *report)
{
    /* Only lists need YAML's syntax; [::1]:9969 would not survive it. */
    if (key->list_max) {
        read_text(text, strlen(text), key, config, report);
    } else if (!take_text(text, config->folder, key, (char *)config + key->offset)) {
        config_complain_at(report, 0, key->name);
        fputs("expected ", report->out);
        config_value_expected(key, report->out);
        fputs(", found ", report->out);
        config_report_found(report, text);
        fputc('\n', report->out);
    }
}
