#!/usr/bin/env python3
"""Writes the thinned figures of this folder from the public data sets that README.md names.

    tests/data/thin.py FOLDER    FOLDER: where those data sets lie, as YARDMASTER_DATA expects them
"""

import csv
import gzip
import io
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Published closed-loop runs, by (system, model, GPUs, prompt tokens, output tokens, clients).
LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-70B"
RUNS = {
    ("h100_sxm", LLAMA_8B, 1, 1024, 512, 8), ("h100_sxm", LLAMA_8B, 1, 1024, 512, 64),
    ("h100_sxm", LLAMA_8B, 1, 2048, 256, 32), ("h100_sxm", LLAMA_8B, 2, 4096, 512, 16),
    ("h100_sxm", LLAMA_70B, 2, 1024, 1024, 4), ("h100_sxm", LLAMA_70B, 2, 1024, 1024, 64),
    ("h100_sxm", LLAMA_70B, 4, 8192, 1024, 16), ("h100_sxm", LLAMA_70B, 4, 1024, 8192, 32),
    ("h100_sxm", LLAMA_70B, 2, 1024, 8192, 64), ("h100_sxm", LLAMA_70B, 2, 8192, 1024, 64),
    ("h200_sxm", LLAMA_70B, 1, 1024, 1024, 16), ("h200_sxm", LLAMA_70B, 2, 1024, 1024, 32),
    ("h200_sxm", LLAMA_70B, 4, 8192, 1024, 8), ("h200_sxm", LLAMA_70B, 8, 1024, 1024, 64),
    # Left out by the reader: a model that the catalogue lacks, and a format that it lacks.
    ("h100_sxm", "MiniMaxAI/MiniMax-M2.5", 4, 1024, 1024, 16),
    ("h200_sxm", "openai/gpt-oss-120b", 2, 1024, 1024, 16),
}
RUN_COLUMNS = ["system", "n_gpu", "tp", "engine", "engine_version", "model", "dtype", "isl", "osl",
               "concurrency_or_rate", "ttft_ms", "tpot_ms", "family"]
MEASURED_COLUMNS = ["arrival_s", "input_tokens", "output_tokens", "scheduled_s", "first_token_s",
                    "last_token_s", "prefix_block_ids"]
MEASURED_ROWS = 60
AZURE_STEP = 400
MOONCAKE_ROWS, MOONCAKE_TOKENS = 24, 8192


def read(path):
    """Lines of a file or of its gzipped form."""
    packed = path.with_name(path.name + ".gz")
    if packed.exists():
        return gzip.open(packed, "rt", encoding="utf-8").read().splitlines()
    return path.read_text(encoding="utf-8").splitlines()


def write_csv(path, columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue())


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path.relative_to(HERE)}: {len(text)} bytes")


def thin_runs(data):
    def key(row):
        return (row["system"], row["model"], int(row["n_gpu"]), int(row["isl"]), int(row["osl"]),
                int(row["concurrency_or_rate"]))
    rows = [row for row in csv.DictReader(read(data / "silicon/e2e_h100_h200.csv"))
            if key(row) in RUNS]
    write_csv(HERE / "silicon/e2e_h100_h200.csv", RUN_COLUMNS, rows)


def thin_measured(data):
    name = "measured/rtxpro6000_llama-3.1-8b.csv"
    rows = list(csv.DictReader(read(data / name)))[:MEASURED_ROWS]
    for row in rows:
        for column in ("arrival_s", "scheduled_s", "first_token_s", "last_token_s"):
            row[column] = f"{float(row[column]):.4f}"
    write_csv(HERE / name, MEASURED_COLUMNS, rows)


def thin_azure(data):
    header, *rows = read(data / "traces/azure_llm_2023_conv.csv")
    write(HERE / "traces/azure_llm_2023_conv.csv", "\n".join([header, *rows[::AZURE_STEP]]) + "\n")


def thin_mooncake(data):
    """Short prompts that share more than the common first block with another one, in pairs."""
    name = "traces/mooncake_conversation.jsonl"
    rows = [row for row in map(json.loads, read(data / name))
            if row["input_length"] <= MOONCAKE_TOKENS]
    users = {}
    for row in rows:
        for block in row["hash_ids"]:
            users.setdefault(block, []).append(row)
    chosen = []
    for row in rows:
        deepest = max(block for block in row["hash_ids"] if len(users[block]) > 1)
        for other in users[deepest]:
            if deepest > 0 and other not in chosen and len(chosen) < MOONCAKE_ROWS:
                chosen.append(other)
    chosen.sort(key=lambda row: row["timestamp"])
    write(HERE / name, "".join(json.dumps(row) + "\n" for row in chosen))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = pathlib.Path(sys.argv[1])
    for thin in (thin_runs, thin_measured, thin_azure, thin_mooncake):
        thin(data)


if __name__ == "__main__":
    main()
