"""The second engine: Keras 3 on TensorFlow."""
