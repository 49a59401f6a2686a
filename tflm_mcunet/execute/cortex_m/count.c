/* TCG plugin: how often each instruction of a code range runs between two markers, the first time they are passed.
 *
 * Arguments: out=FILE, begin=ADDRESS, end=ADDRESS (first instructions of the marker functions), code=ADDRESS,
 * bytes=N (the range; numbers as strtoull reads them). FILE receives records of two native uint64: address, count.
 * A record of address 0xFFFFFFFFFFFFFFFF counts what ran outside the range. Without both markers FILE is not written.
 *
 * All counters always count, inline in the translated code, which is exact; passing `begin` clears them and passing
 * `end` copies them. Each marker's own first instruction counts after its callback: `begin` is in, `end` is out. */
#include "qemu_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static const char *out;
static uint64_t begin, end, code, bytes;
static uint64_t *running, *result; /* one per halfword of the range, and one for the rest */
static size_t slots;
static int begun, done;

static void on_begin(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    memset(running, 0, slots * sizeof *running);
    begun = 1;
}

static void on_end(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (begun && !done) {
        memcpy(result, running, slots * sizeof *result);
        done = 1;
    }
}

static uint64_t *counter(uint64_t address)
{
    int inside = address >= code && address - code < bytes;
    return &running[inside ? (size_t)(address - code) / 2 : slots - 1];
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t index = 0; index < qemu_plugin_tb_n_insns(block); ++index) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (address == begin || address == end) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, address == begin ? on_begin : on_end,
                                                   QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, counter(address), 1);
    }
}

static void write_result(qemu_plugin_id_t id, void *data)
{
    FILE *file;
    (void)id;
    (void)data;
    if (!done || (file = fopen(out, "wb")) == NULL) {
        return;
    }
    for (size_t slot = 0; slot < slots; ++slot) {
        uint64_t record[2] = {slot == slots - 1 ? UINT64_MAX : code + 2 * slot, result[slot]};
        if (record[1] != 0) {
            fwrite(record, sizeof record, 1, file);
        }
    }
    fclose(file);
}

static const char *value(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int index = 0; index < argc; ++index) {
        if (strncmp(argv[index], name, length) == 0 && argv[index][length] == '=') {
            return argv[index] + length + 1;
        }
    }
    fprintf(stderr, "count: argument %s is missing\n", name);
    exit(1);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                                                               int argc, char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    out = strdup(value(argc, argv, "out"));
    begin = strtoull(value(argc, argv, "begin"), NULL, 0);
    end = strtoull(value(argc, argv, "end"), NULL, 0);
    code = strtoull(value(argc, argv, "code"), NULL, 0);
    bytes = strtoull(value(argc, argv, "bytes"), NULL, 0);
    slots = (size_t)(bytes / 2 + 2);
    running = calloc(slots, sizeof *running);
    result = calloc(slots, sizeof *result);
    if (out == NULL || running == NULL || result == NULL) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, write_result, NULL);
    return 0;
}
