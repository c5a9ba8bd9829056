"""Real cells: ``python benchmarks/single_cell.py [--folds 3] [--output FILE]``; needs ``pip install "enas[bench]"``.

700 blood cells of ten types and 765 genes, which scanpy brings along (``pbmc68k_reduced``), as a sparse matrix. All of
it, the search included, is fitted on the training folds alone, beside logistic regression on the same folds. A method
runs in a process of its own, which tells its seconds and its peak of memory.
"""

import argparse
import json
import multiprocessing
import resource
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from machine import measure_machine

LABEL = "bulk_labels"
METHODS = ("enas", "logistic regression")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rows = []
    for method in METHODS:
        with context.Pool(1) as pool:
            rows.append({"method": method, **pool.apply(measure, (method, options.folds))})
        print("{method:>20}: accuracy {accuracy:.3f}, {seconds:.1f} s a fold, peak {peak_mib} MiB".format(**rows[-1]))
    if options.output:
        options.output.write_text(json.dumps({"machine": measure_machine(), "results": rows}, indent=2) + "\n")


def measure(method: str, n_folds: int) -> dict[str, Any]:
    """Mean accuracy over folds, seconds of fitting one, and the peak of the process."""
    from sklearn.model_selection import StratifiedKFold

    adata = read_cells()
    labels = adata.obs[LABEL].to_numpy()
    scores, start = [], time.perf_counter()
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=0).split(labels, labels):
        predicted = fit_and_predict(method, adata[train].copy(), adata[test].copy())
        scores.append(float(np.mean(predicted == labels[test])))
    seconds = (time.perf_counter() - start) / n_folds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"accuracy": float(np.mean(scores)), "of_folds": scores, "seconds": seconds, "peak_mib": peak}


def read_cells() -> Any:
    import anndata
    import scanpy
    from scipy.sparse import csr_matrix

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is of an old format
        adata = anndata.read_h5ad(Path(scanpy.__file__).parent / "datasets" / "10x_pbmc68k_reduced.h5ad")
    return anndata.AnnData(csr_matrix(adata.X), obs=adata.obs, var=adata.var)


def fit_and_predict(method: str, train: Any, test: Any) -> Any:
    if method == "enas":
        from enas import ENASClassifier

        return ENASClassifier(random_state=0, n_jobs=1).fit(train, label_key=LABEL).predict(test)
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(StandardScaler(with_mean=False), LogisticRegressionCV(Cs=5, cv=3, max_iter=300))
        return model.fit(train.X, train.obs[LABEL]).predict(test.X)


if __name__ == "__main__":
    main()
