"""What an image config says of the run and of its networks."""

from enas.config import ControllerSettings, ImageConfig, ImageTrainer, Retraining
from enas.family import Recipe
from enas.networks.blueprint import Blueprint, count_reductions, place_auxiliary, place_reductions

LEAST_JUDGES = 160
"""A reward on fewer validation images, as many as the original's minibatch has, is noise."""


def image_recipe(config: ImageConfig) -> Recipe:
    """The numbers of an image config."""
    trainer = config.trainer
    return Recipe(
        n_epochs_search=trainer.num_epochs,
        n_epochs_fixed=config.retrain.num_epochs,
        top_k=trainer.top_k_candidates,
        n_judges=max(trainer.batch_size, LEAST_JUDGES),
        n_derived=trainer.n_derived,
        train_every=trainer.controller_train_every,
        derive_on_minibatch=trainer.restore_original,
        log_every=trainer.log_every_n_steps,
        settings=ControllerSettings(
            lr=trainer.controller_lr,
            tanh_constant=trainer.controller_tanh_constant,
            temperature=trainer.controller_temperature,
            entropy_weight=trainer.controller_entropy_weight,
            exploration=trainer.controller_exploration,
            baseline_decay=trainer.controller_bl_dec,
            train_steps=trainer.controller_train_steps,
            num_aggregate=trainer.controller_num_aggregate,
        ),
        compare_with_random=config.compare_with_random,
        time_limit=config.time_limit,
        checkpoint_seconds=config.checkpoint_seconds,
        checkpoint_epochs=config.checkpoint_epochs,
    )


def make_blueprint(
    stage: ImageTrainer | Retraining, size: tuple[int, int], n_channels: int, n_classes: int, n_nodes: int
) -> Blueprint:
    """The networks of the search, or of retraining.

    Raises:
        ConfigError: layers and reductions do not fit.
    """
    n_layers, n_reductions = stage.child_num_layers, stage.child_num_reductions
    if n_reductions == "auto":
        n_reductions = count_reductions(size, n_layers)
    reductions = place_reductions(n_layers, n_reductions)
    after = place_auxiliary(reductions, n_layers) if stage.child_aux_after is None else stage.child_aux_after
    return Blueprint(
        size=size,
        n_image_channels=n_channels,
        n_classes=n_classes,
        n_layers=n_layers,
        n_filters=stage.child_out_filters,
        reductions=reductions,
        auxiliary_after=after if stage.child_use_aux_heads else None,
        n_nodes=n_nodes,
    )
