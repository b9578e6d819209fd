import { render } from "preact";
import { Page } from "./page.tsx";
import "./style.css";

const root = document.getElementById("app");
if (root !== null) render(<Page />, root);
