"""Serve a saved model over HTTP: post an image, get labels and scores.

Run it as

    pip install "scikit-zeroshot[demo]" fastapi uvicorn
    python examples/serve.py my-model --port 8000
    curl --data-binary @new.jpg "http://127.0.0.1:8000/predict?k=3"

`my-model` is a folder that ``zeroshot fit`` or ``zeroshot.save`` wrote. It is loaded once, before
the first request. An upload of more than 20 MB is refused while it arrives, and an image of more
than 50 million pixels before it is decoded. Requests are answered one at a time, because a network
uses all cores. http://127.0.0.1:8000/docs describes the interface. There is no access control: put
a proxy in front that has it before you listen on anything but 127.0.0.1.
"""

import argparse
from threading import Lock

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool

import zeroshot
from zeroshot.model_selection import unwrap

MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000


def make_app(folder: str) -> FastAPI:
    """Return the application for a saved model that begins with a backbone."""
    model, one_at_a_time = zeroshot.load(folder), Lock()
    backbone, classifier = model[0], unwrap(model)
    backbone.set_params(max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS, progress=False)
    app = FastAPI(title="zeroshot", version=zeroshot.__version__)

    def named(image: bytes, k: int) -> list[dict]:
        with one_at_a_time:
            read = backbone.extract([image])
            if read.errors:
                raise HTTPException(400, str(read.errors[0]))
            features = read.features
            for _, step in model.steps[1:-1]:
                features = step.transform(features)
            labels, scores = classifier.predict_top_k(features, min(k, len(classifier.classes_)))
        pairs = zip(labels[0].tolist(), scores[0].tolist(), strict=True)
        return [{"label": label, "score": score} for label, score in pairs]

    @app.post("/predict")
    async def predict(request: Request, k: int = Query(5, ge=1, le=100)) -> list[dict]:
        """Name the image in the body of the request: its k best labels, best first."""
        image = bytearray()
        async for part in request.stream():
            image += part
            if len(image) > MAX_BYTES:
                raise HTTPException(413, f"The image has more than {MAX_BYTES:,} bytes.")
        return await run_in_threadpool(named, bytes(image), k)

    @app.get("/labels")
    def labels() -> list:
        """List the labels that the model chooses from."""
        return classifier.classes_.tolist()

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="folder of the saved model")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    uvicorn.run(make_app(args.model), host="127.0.0.1", port=args.port)
