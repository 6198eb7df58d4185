"""An invented hospital to rehearse with: people, images and documents, all from one number."""
