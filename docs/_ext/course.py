"""The order of the gallery: that of a course."""

from pathlib import Path

__all__ = ["COURSE", "CourseOrder"]

# One view and its code; memories and Boltzmann machines; several views in one code; one space.
COURSE = [
    "plot_autoencoder_vs_pca.py",
    "plot_denoising.py",
    "plot_sparse_codes.py",
    "plot_vae_samples.py",
    "plot_own_encoder.py",
    "plot_n_components.py",
    "plot_compression.py",
    "plot_hopfield_memory.py",
    "plot_rbm_features.py",
    "plot_pretraining.py",
    "plot_image_from_label.py",
    "plot_fusion_kinds.py",
    "plot_missing_tables.py",
    "plot_multiview_grid_search.py",
    "plot_cca_to_dccae.py",
    "plot_zero_shot.py",
    "plot_cross_modal_search.py",
]


class CourseOrder:
    """Sort key of sphinx-gallery; an example that the list lacks is an error."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> int:
        """Return the place of an example in the course."""
        name = Path(filename).name
        # Scripts of other folders are sorted before they are ignored.
        if not name.startswith("plot_"):
            return len(COURSE)
        if name not in COURSE:
            raise ValueError(f"Add {name!r} to COURSE in docs/_ext/course.py, at its place.")
        return COURSE.index(name)

    def __repr__(self) -> str:
        """Return a name that does not change between builds, or all pages are built anew."""
        return "CourseOrder"
