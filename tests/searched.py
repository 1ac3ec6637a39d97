"""A folder of models in and beside each other, hidden ones among them."""

import shutil

from paths import CORPUS, MODELS

ARCHIVE = MODELS / "tutorial-l2.keras"
DIRECTORY = CORPUS / "keras-3.15.1" / "mlp.directory"
SAVED_MODEL = CORPUS / "tf-2.15" / "mlp.savedmodel"
WEIGHTS = CORPUS / "keras-3.15.1" / "built_by_call.weights.h5"
SHARDS = sorted((CORPUS / "keras-3.15.1").glob("mlp_*.weights.h5"))


def put(source, target):
    """Copy a file or a folder, and make the folders that it goes into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def lay_out(folder):
    """Lay models in and beside models; return what a search finds."""
    for model, name in ((SAVED_MODEL, "saved"), (DIRECTORY, "unzipped")):
        put(model, folder / name)
        put(ARCHIVE, folder / name / "best.keras")
        put(ARCHIVE, folder / name / "assets" / "a.keras")
        put(ARCHIVE, folder / name / "old" / "v1" / "b.keras")
        put(DIRECTORY, folder / name / "teacher")
        put(SAVED_MODEL, folder / name / "teacher" / "exported")
        put(ARCHIVE, folder / name / ".cache" / "c.keras")
        put(ARCHIVE, folder / name / "site-packages" / "p" / "c.keras")
    put(SAVED_MODEL, folder / "saved" / "variables" / "copy")
    put(WEIGHTS, folder / "unzipped" / "task.weights.h5")
    put(WEIGHTS, folder / "unzipped" / "other.weights.h5")
    put(DIRECTORY, folder / "sharded")
    (folder / "sharded" / "model.weights.h5").unlink()
    for shard in SHARDS:
        put(shard, folder / "sharded" / shard.name.replace("mlp", "model"))
    shards = SHARDS[0].with_name("mlp.weights.json").read_text().replace("mlp_", "model_")
    (folder / "sharded" / "model.weights.json").write_text(shards)
    put(ARCHIVE, folder / ".hidden" / "c.keras")
    put(ARCHIVE, folder / "site-packages" / "c.keras")
    (folder / "config.json").write_text("{}")
    put(ARCHIVE, folder / "top.keras")
    return {
        "top.keras",
        "sharded",
        "saved/variables/copy",
        "unzipped/other.weights.h5",
        *(
            f"{name}{path}"
            for name in ("saved", "unzipped")
            for path in (
                "",
                "/best.keras",
                "/assets/a.keras",
                "/old/v1/b.keras",
                "/teacher",
                "/teacher/exported",
            )
        ),
    }
