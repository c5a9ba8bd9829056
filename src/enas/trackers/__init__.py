"""What others see of a run while it goes on and afterwards: TensorBoard's event files, MLflow."""
