"""What is deployed beside the service: images, compose file, topics, rights; `render` writes what follows from code."""
